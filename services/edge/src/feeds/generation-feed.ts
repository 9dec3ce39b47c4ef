import { generationIds } from '@sluice/runtime';
import { BusUnavailableError } from '@sluice/bus';
import type { GenerationVersion } from '@sluice/bus';
import { Reader } from '@sluice/core';
import { reviveGeneration } from '@sluice/lifecycle';
import type { GenerationBuffer, StoredGeneration } from '@sluice/core';
import type { End, GenerationKey, GenerationState, Position, TokenRecord } from '@sluice/protocol';
import { AckForwarder } from './ack-forwarder.ts';
import type { FeedContext } from './feed-context.ts';
import type { OrgTally } from '../tally/edge-tally.ts';
import type { Flushable } from './flusher.ts';
import { deltaPrefix, encodeDelta, encodeFrame } from './frames.ts';
import type { Frame } from './frames.ts';
import { LOST_TEXT } from './generation-log.ts';
import { GenerationTail } from './generation-tail.ts';
import type { Viewer } from './viewer.ts';

/** A run that has said nothing for this long may be held, ms. */
const SILENT_MS = 1_000;
/** A parked generation that could not be revived is tried again after this long, ms. */
const REVIVE_AGAIN_MS = 2_000;

/** A viewer and where it stands. */
type Follower = {
  readonly viewer: Viewer;
  readonly reader: Reader;
  /** the buffer its position was found to fit; another one must be looked at again */
  fits: GenerationBuffer | undefined;
  /** its reader is being moved: a sink that acks at once asks for no second move */
  isMoving: boolean;
  /** it was told that its next tokens are gone */
  isCut: boolean;
};

/** The last frame made: viewers at the same position get the same buffer. */
type Encoded = {
  readonly epoch: number;
  readonly from: number;
  readonly head: number;
  readonly seq: number;
  readonly frame: Frame;
};

/**
 * One generation of a session on this edge: its log, the readers of its viewers, and their acks.
 * Live, replay, late and slow viewers are all the same here: a reader moves toward the head as far as
 * its credit and its socket allow.
 */
export class GenerationFeed implements Flushable {
  readonly key: GenerationKey;
  readonly #context: FeedContext;
  readonly #orgTally: OrgTally;
  readonly #tail: GenerationTail;
  readonly #acks: AckForwarder;
  readonly #prefix: string;
  readonly #followers = new Map<Viewer, Follower>();
  #encoded: Encoded | undefined;
  /** the parked state that a viewer has ended already */
  #revivedRev = 0;
  /** not to be revived before, ms */
  #reviveAt = 0;

  constructor(key: GenerationKey, state: GenerationVersion, context: FeedContext) {
    const { bus, edge, clock, tally, logger } = context;
    this.key = key;
    this.#context = context;
    this.#orgTally = tally.orgs.of(key.org);
    this.#prefix = deltaPrefix(key);
    this.#acks = new AckForwarder(key, state.item.governor, { control: bus.control, edge });
    this.#tail = new GenerationTail(key, state, {
      bus,
      now: clock.now(),
      owner: {
        oldestNeeded: (epoch, head) => this.#oldestNeeded(epoch, head),
        changed: () => context.flusher.schedule(this),
        failed: (error) => {
          tally.tailChecks.add('failure');
          const fields = { ...generationIds(key, this.item.traceparent), error };
          // That storage is away is told by others; a line for each generation and try would be a flood.
          if (error instanceof BusUnavailableError) logger.debug('generation_unavailable', fields);
          else logger.warn('generation_read_failed', fields);
        },
      },
    });
  }

  get item(): StoredGeneration {
    return this.#tail.item;
  }
  get activeAt(): number {
    return this.#tail.activeAt;
  }
  /** Tokens sent to viewers here that owe an ack for them. */
  get unacked(): number {
    let unacked = 0;
    for (const { reader } of this.#followers.values()) unacked += reader.sent - reader.acked;
    return unacked;
  }
  /** Whether it is over for every viewer here, so that it can be dropped and read again if need be. */
  get isFinished(): boolean {
    if (this.item.status !== 'done') return false;
    for (const { reader } of this.#followers.values()) if (!reader.ended) return false;
    return true;
  }

  onRecord(record: TokenRecord): void {
    const { clock, tally, flusher } = this.#context;
    const before = this.#tail.buffer.head;
    const outcome = this.#tail.onRecord(record, clock.now());
    if (outcome === 'hole') tally.healed += 1;
    if (outcome !== 'applied') return;
    const news = this.#tail.buffer.head - before;
    if (news > 0) tally.tokensIn += news;
    flusher.schedule(this);
  }

  onItem(state: GenerationVersion): void {
    const before = this.item;
    const { clock, flusher } = this.#context;
    if (!this.#tail.onItem(state, clock.now())) return;
    flusher.schedule(this);
    const shown = stateShown(before, this.item);
    if (shown !== undefined) this.onState(shown);
  }

  /** Tells every viewer in what state the run is; informative, and never stored. */
  onState(state: GenerationState): void {
    const { session, generation } = this.key;
    const frame = encodeFrame({ type: 'state', session, generation, state });
    for (const { viewer } of this.#followers.values()) if (viewer.ready) viewer.sink.send(frame);
  }

  /** Serves a viewer from a position, or from the start; again from another one if it is attached. */
  attach(viewer: Viewer, position?: Position): void {
    const reader = new Reader(viewer.window, position);
    const { loaded, exact } = this.#tail;
    const source = !loaded ? 'log' : exact ? 'buffer' : 'item';
    if (position !== undefined) this.#onResume(position, source);
    this.#followers.set(viewer, { viewer, reader, fits: undefined, isMoving: false, isCut: false });
    if (viewer.governs) this.#revive();
    if (!loaded) this.#tail.load();
    this.#context.flusher.schedule(this);
  }

  /** A trace of its own, since a client may come back for days; it names that of the prompt. */
  #onResume({ epoch, seq }: Position, source: string): void {
    const { tally, tracing } = this.#context;
    tally.resumes.add(source);
    const { org, session, generation } = this.key;
    const attributes = { 'sluice.org': org, 'sluice.session': session, 'sluice.generation': generation };
    const at = { 'sluice.epoch': epoch, 'sluice.seq': seq, 'sluice.source': source };
    tracing
      .span('resume', {
        kind: 'server',
        links: [this.item.traceparent],
        attributes: { ...attributes, ...at },
      })
      .end();
  }

  isAttached(viewer: Viewer): boolean {
    return this.#followers.has(viewer);
  }

  detach(viewer: Viewer): void {
    if (!this.#followers.delete(viewer)) return;
    this.#acks.delete(viewer.ref.connection);
    this.#context.flusher.schedule(this);
  }

  onAck(viewer: Viewer, position: Position): void {
    const follower = this.#followers.get(viewer);
    if (follower === undefined || !follower.reader.ack(position)) return;
    this.#orgTally.acks += 1;
    this.#record(viewer, follower.reader);
    if (viewer.governs) this.#revive();
    this.#move(follower);
    this.#context.flusher.schedule(this.#forwarding);
  }

  /** The viewer's acks begin to count, or count no more. */
  regard(viewer: Viewer): void {
    const follower = this.#followers.get(viewer);
    if (follower === undefined) return;
    if (viewer.governs) this.#record(viewer, follower.reader);
    else this.#acks.delete(viewer.ref.connection);
    this.#context.flusher.schedule(this.#forwarding);
  }

  /** The viewer's socket has room again. */
  resume(viewer: Viewer): void {
    const follower = this.#followers.get(viewer);
    if (follower !== undefined) this.#move(follower);
  }

  /** Called about once a second: looks at a silent log, repeats acks. */
  tick(now: number): void {
    if (this.#tail.check(now)) this.#context.tally.tailChecks.add('silence');
    if (this.#acks.hasKeptUp(this.item.epoch, this.item.seq)) this.#revive();
    this.#forward();
  }

  /** Live messages may have been missed: look at the log now. */
  recheck(): void {
    this.#tail.checkNow();
  }

  flush(): void {
    const before = this.#encoded;
    for (const follower of this.#followers.values()) this.#move(follower);
    if (this.#encoded !== before)
      this.#orgTally.delivery.add(this.#context.clock.now() - this.#tail.buffer.at);
    this.#forward();
  }

  close(): void {
    this.#tail.close();
  }

  /** Acks go out at the end of a turn too, but need no look at every viewer. */
  readonly #forwarding: Flushable = { flush: () => this.#forward() };

  #forward(): void {
    const { tally, clock } = this.#context;
    if (this.item.status === 'done') return;
    const now = clock.now();
    const isSilent = now - this.activeAt >= SILENT_MS;
    if (this.#acks.forward(this.#tail.buffer, now, isSilent)) tally.controlAcks += 1;
  }

  /** Moves one reader as far as credit and socket allow. */
  #move(follower: Follower): void {
    if (follower.isMoving || !follower.viewer.ready || !this.#tail.loaded) return;
    follower.isMoving = true;
    try {
      this.#step(follower);
    } finally {
      follower.isMoving = false;
    }
  }

  #step(follower: Follower): void {
    const { viewer, reader } = follower;
    const { epoch, base, head } = this.#tail.buffer;
    const log = { epoch, base, head, end: this.#tail.end };
    if (follower.fits !== this.#tail.buffer) this.#fit(follower);
    for (;;) {
      const step = reader.next(log);
      if (step === 'idle') return;
      if (step === 'blocked' || !viewer.sink.writable) {
        this.#context.tally.blocked += 1;
        return;
      }
      if (step === 'behind') return this.#onBehind(follower);
      if (step === 'delta') this.#sendDelta(viewer, reader);
      else if (step === 'reset') this.#sendReset(viewer, reader);
      else this.#sendEnd(viewer, reader, log.end as End);
    }
  }

  /**
   * Looks once whether a reader's position means anything in this buffer: in one made of an item's text
   * only its two ends do.
   */
  #fit(follower: Follower): void {
    const { viewer, reader, fits } = follower;
    const { buffer, exact } = this.#tail;
    follower.fits = buffer;
    if (!exact && reader.sent > 0 && reader.sent < buffer.head) this.#sendReset(viewer, reader);
    // A position is the client's word: it counts as an ack only once it is known to lie in the log.
    const isInLog = reader.sent === 0 || (reader.epoch === buffer.epoch && reader.sent <= buffer.head);
    if (isInLog) this.#record(viewer, reader);
    if (fits === undefined) this.#context.tally.replayed += Math.max(0, buffer.head - reader.sent);
  }

  #sendDelta(viewer: Viewer, reader: Reader): void {
    const from = reader.sent;
    const { epoch, seq, frame } = this.#frameFrom(from);
    reader.advance(seq);
    this.#context.tally.frames += 1;
    this.#orgTally.delivered += seq - from;
    if (viewer.ackedBy === 'client') viewer.sink.send(frame);
    else this.#sendAcked(viewer, frame, { epoch, seq });
  }

  /** For a viewer that cannot ack. Apart: with a closure beside it, every delta of every viewer would cost more. */
  #sendAcked(viewer: Viewer, frame: Frame, position: Position): void {
    viewer.sink.send(frame, () => this.onAck(viewer, position));
  }

  #frameFrom(from: number): Encoded {
    const { buffer } = this.#tail;
    const { epoch, head, at } = buffer;
    const last = this.#encoded;
    if (last?.from === from && last.head === head && last.epoch === epoch) return last;
    const slice = buffer.slice(from);
    if (slice === undefined) throw new Error(`expected tokens after ${from} in (${buffer.base}, ${head}]`);
    const frame = encodeDelta({ prefix: this.#prefix, epoch, from, at }, slice);
    this.#encoded = { epoch, from, head, seq: slice.seq, frame };
    return this.#encoded;
  }

  #sendReset(viewer: Viewer, reader: Reader): void {
    const { session, generation } = this.key;
    const { epoch } = this.#tail.buffer;
    const reason = this.#tail.exact ? 'the text was started again' : 'the position has expired';
    reader.restart(epoch);
    this.#record(viewer, reader);
    viewer.sink.send(encodeFrame({ type: 'reset', session, generation, epoch, reason }));
  }

  #sendEnd(viewer: Viewer, reader: Reader, end: End): void {
    const { session, generation } = this.key;
    const { epoch, sent: seq } = reader;
    reader.finish();
    viewer.sink.send(encodeFrame({ type: 'end', session, generation, epoch, seq, ...end }));
  }

  /**
   * Its next token is older than what is held here: load it, or say that it is gone. Then it has no say in how fast the
   * run goes, and gets the text of the item once that has it, or of an epoch that starts again.
   */
  #onBehind(follower: Follower): void {
    const { viewer, reader, isCut } = follower;
    if (!this.#tail.hasExpired(reader.sent)) return this.#tail.load();
    if (this.item.status === 'done') this.detach(viewer);
    this.#acks.delete(viewer.ref.connection);
    if (isCut) return;
    follower.isCut = true;
    const { session, generation } = this.key;
    const message = this.#tail.isLost ? LOST_TEXT : 'the tokens after this position have expired';
    viewer.sink.send(
      encodeFrame({ type: 'error', code: 'not_found', message, retryable: false, session, generation }),
    );
  }

  #record(viewer: Viewer, { epoch, acked: seq }: Reader): void {
    if (!viewer.governs) return;
    const { connection, user } = viewer.ref;
    this.#acks.set({ connection, epoch, seq, isOwner: user === this.item.user });
  }

  /** A viewer that comes, acks or has kept up wants more: a parked generation goes on. */
  #revive(): void {
    const { logger, clock } = this.#context;
    const { rev } = this.#tail;
    if (this.item.status !== 'parked' || this.#revivedRev === rev || clock.now() < this.#reviveAt) return;
    this.#revivedRev = rev;
    reviveGeneration(this.#context, this.key).catch((error: unknown) => {
      this.#revivedRev = 0;
      this.#reviveAt = clock.now() + REVIVE_AGAIN_MS;
      logger.warn('revival_failed', { ...generationIds(this.key, this.item.traceparent), error });
    });
  }

  #oldestNeeded(epoch: number, head: number): number {
    let oldest = Infinity;
    for (const { reader } of this.#followers.values()) {
      const holds = reader.sent === 0 || (reader.epoch === epoch && reader.sent <= head);
      oldest = Math.min(oldest, holds ? reader.sent : 0);
    }
    return oldest;
  }
}

/** The `state` frame that a change of the item deserves; queued, done and a first start need none. */
const stateShown = (before: StoredGeneration, after: StoredGeneration): GenerationState | undefined => {
  if (before.status === after.status) return undefined;
  if (after.status === 'parked') return 'parked';
  if (after.status === 'queued' && before.status === 'running') return 'recovering';
  return after.status === 'running' && after.attempt > 1 ? 'running' : undefined;
};
