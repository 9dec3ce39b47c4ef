import type { Item, Status } from '@sluice/client';
import type { GenerationItem } from '@sluice/protocol';
import type { WebConnection } from '../link/web-connection.ts';
import type { SessionStore } from '../session/session-store.ts';
import { isOpen } from '../session/turns.ts';
import { Meter } from './meter.ts';
import { ProgressFollower } from './progress-follower.ts';
import type { WorkerProgress } from './progress-follower.ts';
import { Timeline } from './timeline.ts';
import type { Happening } from './timeline.ts';

/** A moment of the strip. */
export type Sample = {
  readonly at: number;
  /** at the worker, as it last said; undefined for who may not know */
  readonly made: number | undefined;
  readonly received: number;
  readonly acked: number;
};

export type ProbeSnapshot = {
  readonly meter: Meter | undefined;
  /** of the worker; undefined for who may not know, and before it runs */
  readonly progress: WorkerProgress | undefined;
  readonly samples: readonly Sample[];
  readonly happenings: readonly Happening[];
  readonly reconnects: number;
  /** most frames in flight */
  readonly window: number;
};

const SAMPLE_MS = 100;
/** 30 s of strip */
const MAX_SAMPLES = 300;
const MAX_METERS = 20;
const DEFAULT_WINDOW = 32;
/** Clocks that differ by more than this make a delay meaningless, ms. */
const MAX_DELAY_MS = 60_000;

/**
 * Watches one session as it arrives in this tab: positions, acks, and what happens to them. It always listens,
 * which costs a few additions per frame, and takes samples only while somebody looks.
 */
export class Probe {
  readonly #store: SessionStore;
  readonly #connection: WebConnection;
  readonly #timeline = new Timeline();
  readonly #meters = new Map<string, Meter>();
  readonly #statuses = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  readonly #removals: readonly (() => void)[];
  #samples: readonly Sample[] = [];
  #newest: Meter | undefined;
  #reconnects = 0;
  #lostAt: number | undefined;
  #isFull = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #follower: ProgressFollower | undefined;
  #snapshot: ProbeSnapshot;

  constructor(store: SessionStore, connection: WebConnection) {
    this.#store = store;
    this.#connection = connection;
    this.#snapshot = this.#look();
    this.#removals = [...this.#listenToSession(), ...this.#listenToLink()];
  }

  /** Samples are taken for as long as there is a listener. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => this.#sample(), SAMPLE_MS);
    if (this.#connection.isAdmin)
      this.#follower ??= new ProgressFollower(this.#connection.client, this.#store.id);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#rest();
    };
  };

  readonly snapshot = (): ProbeSnapshot => this.#snapshot;

  /** What the person at this page did. */
  did(text: string): void {
    this.#timeline.add('yours', text);
  }

  close(): void {
    for (const remove of this.#removals) remove();
    this.#rest();
  }

  /** Nobody looks. */
  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#follower?.close();
    this.#follower = undefined;
  }

  #listenToSession(): (() => void)[] {
    const { session } = this.#store;
    return [
      session.on('item', (item) => this.#item(item)),
      session.on('delta', (delta) => {
        const meter = this.#meterOf(delta.generation);
        const isFirst = meter.firstTokenAt === undefined;
        meter.arrived(delta, performance.now());
        if (isFirst && delta.from === 0 && meter.startedAt !== undefined)
          this.#timeline.add(
            'good',
            `First token after ${Math.round(performance.now() - meter.startedAt)} ms`,
          );
      }),
      session.on('reset', ({ epoch, reason }) =>
        this.#timeline.add('busy', `The text starts over in epoch ${epoch}: ${reason}`),
      ),
      session.on('state', ({ state }) => {
        if (state === 'paused') this.#timeline.add('busy', 'Paused: the worker waits for acks');
        if (state === 'recovering') this.#timeline.add('busy', 'The worker is gone: recovering');
      }),
      session.on('end', ({ generation, reason, seq }) => {
        this.#meterOf(generation).isOpen = false;
        this.#timeline.add(reason === 'error' ? 'bad' : 'good', `Ended at token ${seq}: ${reason}`);
      }),
    ];
  }

  #listenToLink(): (() => void)[] {
    const { client, link, tap } = this.#connection;
    let told = link.snapshot().caughtUp;
    return [
      client.on('status', (status) => this.#status(status)),
      link.subscribe(() => {
        const { caughtUp } = link.snapshot();
        if (caughtUp !== undefined && caughtUp !== told)
          this.#timeline.add('good', `Caught up ${caughtUp.tokens} tokens in ${Math.round(caughtUp.ms)} ms`);
        told = caughtUp;
      }),
      tap.onAck(({ generation, ...ack }) => this.#meters.get(generation)?.ackSent(ack)),
      tap.onDelta(({ generation, at }) => {
        const ms = Date.now() - at;
        if (Math.abs(ms) < MAX_DELAY_MS) this.#meters.get(generation)?.delayed(ms);
      }),
    ];
  }

  #status({ type }: Status): void {
    if (type === 'reconnecting' || type === 'offline') {
      if (this.#lostAt === undefined) this.#timeline.add('bad', 'Connection lost');
      this.#lostAt ??= performance.now();
      return;
    }
    if (type !== 'live' || this.#lostAt === undefined) return;
    const ms = Math.round(performance.now() - this.#lostAt);
    this.#lostAt = undefined;
    this.#reconnects += 1;
    for (const meter of this.#meters.values()) meter.reattached();
    this.#timeline.add('good', `Connected again after ${ms.toLocaleString('en')} ms`);
  }

  #item(item: Item): void {
    if (item.kind !== 'generation') return;
    const status = `${item.status} ${item.attempt}`;
    const before = this.#statuses.get(item.id);
    this.#statuses.set(item.id, status);
    // What was over before this page looked is history.
    if (before === status || (before === undefined && !isOpen(item))) return;
    if (before === undefined) this.#meterOf(item.id).startedAt = performance.now();
    const text = statusText(item);
    if (text !== undefined) this.#timeline.add(item.status === 'parked' ? 'busy' : 'plain', text);
  }

  #meterOf(generation: string): Meter {
    const known = this.#meters.get(generation);
    if (known !== undefined) return known;
    const meter = new Meter(generation);
    this.#meters.set(generation, meter);
    const [oldest] = this.#meters.keys();
    if (this.#meters.size > MAX_METERS && oldest !== undefined) this.#meters.delete(oldest);
    this.#newest = meter;
    this.#samples = [];
    return meter;
  }

  #sample(): void {
    const meter = this.#newest;
    if (meter !== undefined) {
      const { received, acked } = meter;
      const made = this.#progress?.made;
      const sample = { at: performance.now(), made, received, acked };
      this.#samples = [...this.#samples.slice(1 - MAX_SAMPLES), sample];
      this.#watchWindow(meter);
    }
    this.#snapshot = this.#look();
    for (const listener of this.#listeners) listener();
  }

  /** What has arrived here was made and stored, whatever the worker last said. */
  get #progress(): WorkerProgress | undefined {
    const { generation, received } = this.#newest ?? {};
    const told = generation === undefined ? undefined : this.#follower?.of(generation);
    if (told === undefined || received === undefined) return undefined;
    return { ...told, made: Math.max(told.made, received), stored: Math.max(told.stored, received) };
  }

  #watchWindow(meter: Meter): void {
    const isFull = meter.isOpen && meter.framesInFlight >= this.#window();
    if (isFull && !this.#isFull)
      this.#timeline.add('busy', 'Window full: the server holds back until this tab acks');
    this.#isFull = isFull;
  }

  #window(): number {
    return this.#connection.client.ready?.limits.defaultWindow ?? DEFAULT_WINDOW;
  }

  #look(): ProbeSnapshot {
    return {
      meter: this.#newest,
      progress: this.#progress,
      samples: this.#samples,
      happenings: this.#timeline.happenings,
      reconnects: this.#reconnects,
      window: this.#window(),
    };
  }
}

const statusText = ({ status, attempt }: GenerationItem): string | undefined => {
  switch (status) {
    case 'queued':
      return attempt === 0 ? 'Queued' : 'Queued again: the next worker goes on from the stored text';
    case 'running':
      return attempt <= 1 ? 'Claimed by a worker' : `Taken over: attempt ${attempt}`;
    case 'parked':
      return 'Parked: the engine is free, the text is kept';
    case 'done':
      return undefined;
  }
};
