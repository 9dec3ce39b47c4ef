import { randomUUID } from 'node:crypto';
import type { PromptBody } from '@sluice/protocol';
import { AckClock } from './ack-clock.ts';
import type { Target } from './wire.ts';
import { readStoredTexts } from './stored-texts.ts';
import { Tally } from './tally.ts';
import type { Received } from './tally.ts';
import { fingerprintOf } from './received-text.ts';
import { Viewer } from './viewer.ts';
import type { FirstDelta, Role } from './viewer.ts';

/** How many connections are being opened at any moment. */
const OPENING = 64;
const POLL_MS = 2;
const CANCELS_PER_POLL = 5;
/** How long anything that is waited for may take, on a machine that is much too slow. */
const DEADLINE_MS = 120_000;
const MAX_FAULTS_TOLD = 10;

export type PromptOrder = {
  /** how many viewers start a generation, from the first on */
  readonly count: number;
  /** time over which the prompts are spread, ms */
  readonly overMs: number;
  /** each prompt gets a message of its own */
  readonly body: Omit<PromptBody, 'input' | 'messages'>;
};

export type Verification = {
  readonly transcripts: number;
  readonly faultCount: number;
  /** the first few */
  readonly faults: readonly string[];
};

/** A delta frame's JSON and when it came, ms after the first. */
export type RecordedFrame = { readonly afterMs: number; readonly json: string };

/** What a viewer that came late got with its first frame, and how long after its `subscribe`. */
export type Join = { readonly ms: number; readonly seq: number; readonly fingerprint: string };

/** The viewers of one process. All methods are called by another process, see client-main. */
export class Crowd {
  readonly #tally = new Tally();
  readonly #acks = new AckClock();
  #viewers: Viewer[] = [];
  #target: Target | undefined;
  #recorded: RecordedFrame[] = [];

  /** Adds one viewer per entry; the same session may come many times. */
  async open(target: Target, sessions: readonly string[]): Promise<void> {
    this.#target = target;
    const context = { tally: this.#tally, acks: this.#acks };
    const viewers = sessions.map((session) => new Viewer(session, target, context));
    this.#viewers.push(...viewers);
    await inParallel(viewers, (viewer) => viewer.open());
  }

  async subscribe(role: Role): Promise<void> {
    await inParallel(this.#viewers, (viewer) => viewer.subscribe(role));
  }

  /** Forgets which generations started and ended so far. */
  begin(): void {
    this.#tally.begin();
  }

  async prompt({ count, overMs, body }: PromptOrder): Promise<void> {
    const startedAt = performance.now();
    for (const [index, viewer] of this.#viewers.slice(0, count).entries()) {
      const dueAt = startedAt + (index * overMs) / count;
      while (performance.now() < dueAt) await pause(POLL_MS);
      // `messages`, since with `input` a worker reads all that was said in the session before.
      const messages = [{ role: 'user', content: `tell of ${viewer.session} ${index}` }];
      viewer.prompt(randomUUID(), { ...body, messages });
    }
  }

  /** Ends what still runs; `ended` tells when it has. */
  async cancel(): Promise<void> {
    for (const [index, viewer] of this.#viewers.entries()) {
      viewer.cancel();
      if (index % CANCELS_PER_POLL === 0) await pause(POLL_MS);
    }
  }

  /** Cancels every viewer's generation at its time, and tells how long after that time its end came. */
  async cancelAll(cancelsPerSecond: number): Promise<readonly number[]> {
    const lateMs: number[] = [];
    const startedAt = performance.now();
    for (const [index, viewer] of this.#viewers.entries()) {
      const dueAt = startedAt + (index * 1000) / cancelsPerSecond;
      while (performance.now() < dueAt) await pause(POLL_MS);
      viewer.onEnd = () => {
        viewer.onEnd = undefined;
        lateMs.push(performance.now() - dueAt);
      };
      viewer.cancel();
    }
    await this.#until(
      () => lateMs.length === this.#viewers.length,
      () => `${lateMs.length} of ${this.#viewers.length} ended`,
    );
    return lateMs;
  }

  /** Resolves when `count` generations have begun for their viewers, each viewer counted. */
  started(count: number): Promise<void> {
    return this.#until(
      () => this.#tally.started >= count,
      () => `${this.#tally.started} of ${count} begun`,
    );
  }

  ended(count: number): Promise<void> {
    return this.#until(
      () => this.#tally.ended >= count,
      () => `${this.#tally.ended} of ${count} ended`,
    );
  }

  /** From now on latencies are taken, of an engine with this many ms between two tokens. */
  schedule(intervalMs: number): void {
    this.#tally.schedule(intervalMs);
  }

  mark(): void {
    this.#tally.mark();
  }

  read(): Received {
    return this.#tally.read();
  }

  /** Keeps what the first viewer receives from now on. */
  record(): void {
    const [viewer] = this.#viewers;
    if (viewer === undefined) throw new Error('expected a viewer to record');
    this.#recorded = [];
    let startedAt: number | undefined;
    viewer.onRawDelta = (json) => {
      startedAt ??= performance.now();
      this.#recorded.push({ afterMs: performance.now() - startedAt, json });
    };
  }

  recorded(): readonly RecordedFrame[] {
    return this.#recorded;
  }

  /**
   * Compares what every viewer received since the last time with what is stored, or with `text`, and
   * forgets it.
   */
  async verify(text?: string): Promise<Verification> {
    const target = this.#target as Target;
    const sessions = [...new Set(this.#viewers.map(({ session }) => session))];
    const stored = text === undefined ? await readStoredTexts(target, sessions) : undefined;
    let transcripts = 0;
    const faults: string[] = [];
    for (const viewer of this.#viewers) {
      faults.push(...viewer.faults.splice(0));
      for (const [generation, transcript] of viewer.transcripts) {
        transcripts += 1;
        transcript.compare(text ?? stored?.get(generation) ?? '');
        faults.push(...transcript.faults.map((fault) => `${viewer.session} ${generation}: ${fault}`));
      }
      viewer.transcripts.clear();
    }
    return { transcripts, faultCount: faults.length, faults: faults.slice(0, MAX_FAULTS_TOLD) };
  }

  /** What each viewer has of its session's newest generation, once it has `seq` tokens; by session. */
  async fingerprints(seq: number): Promise<Record<string, string>> {
    const newest = (viewer: Viewer) => [...viewer.transcripts.values()].at(-1);
    await this.#until(
      () => this.#viewers.every((viewer) => (newest(viewer)?.seq ?? 0) >= seq),
      () => `not all have ${seq} tokens`,
    );
    return Object.fromEntries(
      this.#viewers.map((viewer) => [viewer.session, fingerprintOf(newest(viewer)?.text ?? '')]),
    );
  }

  /** A new viewer attaches over an open connection. */
  async join(session: string): Promise<Join> {
    const context = { tally: this.#tally, acks: this.#acks };
    const viewer = new Viewer(session, this.#target as Target, context);
    await viewer.open();
    this.#viewers.push(viewer);
    const startedAt = performance.now();
    await viewer.subscribe();
    await this.#until(
      () => viewer.firstDelta !== undefined,
      () => 'no first frame',
    );
    const { atMs, seq, text } = viewer.firstDelta as FirstDelta;
    return { ms: atMs - startedAt, seq, fingerprint: fingerprintOf(text) };
  }

  close(): void {
    for (const viewer of this.#viewers) viewer.close();
    this.#viewers = [];
  }

  async #until(isTrue: () => boolean, state: () => string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!isTrue()) {
      if (performance.now() > deadline)
        throw new Error(`${state()} in ${DEADLINE_MS} ms${this.#firstFault()}`);
      await pause(POLL_MS);
    }
  }

  #firstFault(): string {
    const fault = this.#viewers.find(({ faults }) => faults.length > 0)?.faults[0];
    return fault === undefined ? '' : `; a viewer got: ${fault}`;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const inParallel = async (
  viewers: readonly Viewer[],
  run: (viewer: Viewer) => Promise<void>,
): Promise<void> => {
  const left = viewers.values();
  const work = async (): Promise<void> => {
    for (const viewer of left) await run(viewer);
  };
  await Promise.all(Array.from({ length: OPENING }, work));
};
