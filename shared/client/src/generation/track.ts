import type {
  DeltaFrame,
  EndFrame,
  GenerationItem,
  GenerationState,
  ResetFrame,
  StateFrame,
} from '@sluice/protocol';
import { AckSchedule } from './ack-schedule.ts';
import type { AckPolicy } from './ack-schedule.ts';
import { DeltaLog } from './delta-log.ts';
import { Emitter } from '../emitter.ts';
import { AssembledText } from './assembled-text.ts';
import type { Delta, GenerationEnd } from './assembled-text.ts';

export type GenerationStatus = 'queued' | GenerationState | 'done';

type OfGeneration = { readonly generation: string };

type Reset = { readonly epoch: number; readonly reason: string };

/** What becomes of a generation's text, in the words of its session. */
export type TextEvents = {
  readonly delta: Delta & OfGeneration;
  /** the text restarted in this epoch */
  readonly reset: Reset & OfGeneration;
  readonly end: GenerationEnd & OfGeneration;
};

export type TrackEvents = TextEvents & {
  readonly state: GenerationStatus;
  /** the session is out of reach for good; the generation itself may go on */
  readonly failed: Error;
};

export type SessionStateEvent = OfGeneration & { readonly state: GenerationStatus };

/** What a track tells its session. */
export interface TrackSession {
  readonly events: {
    emit(name: 'state', event: SessionStateEvent): void;
    emit(name: keyof TextEvents, event: TextEvents[keyof TextEvents]): void;
  };
  /** The text or the end is another one now; called before any event says so. */
  readonly items: { touch(generation: string): void };
}

/** Frames about one generation. */
export type TrackFrame = DeltaFrame | ResetFrame | StateFrame | EndFrame;

/** States that a new token disproves. Not `parked`: a late viewer of a parked text receives tokens too. */
const DISPROVED_BY_TOKENS: ReadonlySet<GenerationStatus> = new Set([
  'queued',
  'paused',
  'recovering',
  'waiting',
]);

/**
 * One generation as this client follows it: its content, status, end and acks. It outlives connections; the
 * acks belong to one attachment and start anew with each.
 */
export class Track {
  readonly id: string;
  readonly events = new Emitter<TrackEvents>();
  readonly content = new AssembledText();
  readonly log = new DeltaLog();
  readonly #session: TrackSession;
  ackPolicy: AckPolicy = 'received';
  /** undefined while detached and for observers, who need no acks */
  acks: AckSchedule | undefined;
  #status: GenerationStatus = 'queued';
  #end: GenerationEnd | undefined;
  #window: number | undefined;
  #followers = 0;

  constructor(id: string, session: TrackSession) {
    this.id = id;
    this.#session = session;
  }

  get status(): GenerationStatus {
    return this.#status;
  }

  get end(): GenerationEnd | undefined {
    return this.#end;
  }

  /** A new attachment begins: acks start over. @param window undefined when none are wanted */
  attached(window: number | undefined): void {
    this.#window = window;
    this.acks = window === undefined ? undefined : new AckSchedule(window);
  }

  /** @throws ProtocolError when the frame does not continue the content */
  receive(frame: TrackFrame, now: number): void {
    if (frame.type === 'delta') return this.#delta(frame, now);
    if (frame.type === 'end') this.acks?.finish();
    if (this.#end !== undefined) return;
    if (frame.type === 'state') return this.#become(frame.state);
    if (frame.type === 'end') {
      this.content.checkEnd(frame);
      return this.#finish(frame);
    }
    this.restart(frame);
  }

  /** @throws ProtocolError when `epoch` is none */
  restart({ epoch, reason }: Reset): void {
    this.content.restart(epoch);
    this.#restarted(epoch, reason);
  }

  #delta(frame: DeltaFrame, now: number): void {
    if (this.#end !== undefined) {
      // Completed from its item: the rest is known, but the server waits for its acks all the same.
      this.acks?.arrived(frame.seq);
      this.acks?.processed(frame.seq, now);
      return;
    }
    const delta = this.content.apply(frame);
    this.log.append(delta);
    this.acks?.arrived(delta.seq);
    if (this.ackPolicy === 'received') this.acks?.processed(delta.seq, now);
    if (DISPROVED_BY_TOKENS.has(this.#status)) this.#become('running');
    this.#emit('delta', delta);
  }

  /** One event for all who listen: those of the session, then those of this generation. */
  #emit(name: keyof TextEvents, what: Delta | Reset | GenerationEnd): void {
    const event = { ...what, generation: this.id };
    this.#session.items.touch(this.id);
    this.#session.events.emit(name, event);
    this.events.emit(name, event);
  }

  /** The item's version of the state; its text is not looked at. */
  announce(item: GenerationItem): void {
    if (this.#end !== undefined) return;
    const { epoch, seq } = this.content.position;
    // Nothing more can come, whether or not an `end` frame follows.
    if (item.status === 'done' && item.seq === seq && (item.epoch === epoch || seq === 0)) this.#finish(item);
    else if (item.status !== 'done') this.#become(item.status);
  }

  /**
   * The full text of a finished item ends the generation (R3).
   * @throws ProtocolError when it contradicts what was received
   */
  complete(item: GenerationItem): void {
    if (this.#end !== undefined) return;
    const completion = this.content.complete(item);
    if (completion.restarted) this.#restarted(item.epoch, 'completed in another epoch');
    for (const delta of completion.deltas) {
      this.log.append(delta);
      this.#emit('delta', delta);
    }
    this.#finish(item);
  }

  /** Somebody holds a handle until `release`. */
  follow(): void {
    this.#followers += 1;
  }

  /** Once nobody holds a handle, nobody will consume: what arrives is processed from then on. */
  release(now: number): void {
    this.#followers -= 1;
    if (this.#followers > 0 || this.#end !== undefined) return;
    this.ackPolicy = 'received';
    this.acks?.processed(this.content.position.seq, now);
  }

  /** Those who follow are told that nothing more comes; the track itself can go on in a later attachment. */
  fail(error: Error): void {
    if (this.#end === undefined) this.events.emit('failed', error);
  }

  #restarted(epoch: number, reason: string): void {
    this.log.restart(epoch);
    this.attached(this.#window);
    this.#emit('reset', { epoch, reason });
  }

  #become(status: GenerationStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#session.events.emit('state', { state: status, generation: this.id });
    this.events.emit('state', status);
  }

  #finish(from: EndFrame | GenerationItem): void {
    const { reason = 'stop', usage, error, receipt } = from;
    const end: GenerationEnd = {
      ...this.content.position,
      reason,
      ...(usage && { usage }),
      ...(error && { error }),
      ...(receipt && { receipt }),
    };
    this.#end = end;
    this.acks?.finish();
    this.#become('done');
    this.#emit('end', end);
  }
}
