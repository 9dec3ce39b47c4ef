import type { Subscription } from '@sluice/bus';
import {
  ChunkWriter,
  countCrash,
  EngineError,
  INITIAL_LEAD,
  poisonEnd,
  promptTokensOf,
  wholeUsage,
} from '@sluice/core';
import { headOf, textOf } from '@sluice/protocol';
import type { CancelReply, ChatMessage, End, RunProgress, Token } from '@sluice/protocol';
import { finishGeneration, parkGeneration, recoverGeneration, requeueGeneration } from '@sluice/lifecycle';
import type { Claimed, Leaving } from '@sluice/lifecycle';
import { generationIds, persist } from '@sluice/runtime';
import { AttemptAccount, STOPPED } from './attempt-account.ts';
import { canGoOn, nextEpoch } from './continuation.ts';
import { Credit } from './credit.ts';
import type { EngineRequest } from '@sluice/core';
import { Patience, PAUSE_MS } from './patience.ts';
import type { Attention } from './patience.ts';
import type { RunContext, RunOutcome } from './run-context.ts';
import { settle } from './settling.ts';
import { errorOf, isStronger, OVERDUE, TOO_LARGE } from './stop.ts';
import type { Stop } from './stop.ts';
import { PublishStoppedError, TokenPublisher } from './token-publisher.ts';

/**
 * One attempt at one generation: engine -> credit -> publisher, with acks and cancels coming back.
 * `tick` is to be called a few times a second: silent edges and long holds are noticed there.
 */
export class GenerationRun {
  readonly claimed: Claimed;
  readonly #context: RunContext;
  readonly #request: EngineRequest;
  readonly #writer: ChunkWriter;
  readonly #publisher: TokenPublisher;
  readonly #credit: Credit;
  readonly #patience: Patience;
  readonly #abort = new AbortController();
  /** every token of this epoch, stored or about to be */
  readonly #tokens: Token[];
  readonly #account: AttemptAccount;
  /** no token of the text was stored before, ms */
  readonly #begunAt: number;
  /** of the text as its item will hold it */
  #bytes = 0;
  #tokensAfterStop = 0;
  #isPauseShown = false;
  #isOutOfSlot = false;
  /** an engine was given the prompt, by this attempt or, as far as anybody can tell, by an earlier one */
  #isAsked: boolean;
  #stop: Stop | undefined;
  /** the end that the log was to get */
  #end: End | undefined;
  /** the item is being written so that the generation goes on later, perhaps elsewhere */
  #isLeaving = false;
  #storageError: PublishStoppedError | undefined;

  constructor(claimed: Claimed, messages: readonly ChatMessage[], context: RunContext) {
    const { head, item, entry, prefix, prefixAt } = claimed;
    this.claimed = claimed;
    this.#context = context;
    const goesOn = canGoOn(claimed, context.engine);
    const epoch = goesOn ? (head?.record.epoch ?? 0) : nextEpoch(claimed);
    const kept = goesOn ? (prefix ?? []) : [];
    const { model, params = {} } = entry.body;
    const onWaiting = (): void => this.#showWaiting();
    const { org, session, generation } = claimed.key;
    const asker = { org, session, user: item.user };
    this.#request = { generation, asker, model, messages, params, prefix: kept, onWaiting };
    this.#tokens = [...kept];
    this.#isAsked = item.attempt > 1;
    this.#begunAt = (goesOn ? prefixAt : undefined) ?? context.clock.now();
    for (const token of kept) this.#bytes += encodedBytes(token);
    this.#writer = new ChunkWriter(item.attempt, epoch, head);
    this.#account = new AttemptAccount({ ...context, claimed, request: this.#request }, this.#writer.head);
    this.#credit = new Credit(entry.body, epoch, { seq: this.#writer.head, now: context.clock.now() });
    this.#patience = new Patience(entry.body.onAbandon, context.holdMs);
    this.#publisher = new TokenPublisher({
      tokens: context.bus.tokens,
      key: claimed.key,
      writer: this.#writer,
      clock: context.clock,
      onStored: () => (context.tally.records += 1),
      onStopped: (error) => {
        this.#storageError = error;
        this.#halt('unstorable');
      },
    });
  }

  /** How far it is. */
  get progress(): RunProgress {
    const { key, item } = this.claimed;
    const [made, stored] = [this.#tokens.length, this.#publisher.head];
    return { ...key, attempt: item.attempt, made, stored, ...this.#credit.governed };
  }

  /** Tokens that this attempt has taken from the engine. */
  get made(): number {
    return this.#tokens.length - this.#request.prefix.length;
  }

  /** Held because its viewers do not ack. */
  get isPaused(): boolean {
    return this.#isPauseShown;
  }

  /** Runs to an outcome; nothing that an engine, a client or an outage does makes it reject. */
  async run(): Promise<RunOutcome> {
    const control = await this.#serveControl();
    try {
      const outcome = await this.#attempt().catch((error: unknown) => {
        if (error instanceof PublishStoppedError) return this.#onUnstorable(error);
        throw error;
      });
      this.#account.over(outcome, this.#tokens.length, this.#end?.error?.code);
      return outcome;
    } finally {
      control.close();
      this.#account.close(this.#credit.heldMs);
    }
  }

  /** The worker goes away: another one continues from the same token. */
  drain(): void {
    this.#halt('drain');
  }

  tick(now: number): void {
    const reachableMs = this.#context.connectivity.upFor(now);
    if (reachableMs === 0) return;
    if (now - this.#begunAt >= this.#context.maxRunMs) this.#halt('overdue');
    this.#credit.tick(now, reachableMs);
    this.#showPause(this.#credit.heldFor(now) >= PAUSE_MS);
    const verdict = this.#patience.judge(this.#attention(now));
    if (verdict === 'unbind') this.#credit.unbind(now);
    else if (verdict !== undefined) this.#halt(verdict);
  }

  /** Told to stop, and still in its slot. */
  get isLeavingSlot(): boolean {
    return this.#stop !== undefined && !this.#isOutOfSlot;
  }

  /** How long its viewers have kept it from going on, ms. */
  heldFor(now: number): number {
    return this.#attention(now).heldMs;
  }

  /**
   * Makes room for somebody who has fewer slots, where that is no loss.
   * @param isFarAhead the other has at least two fewer
   * @returns whether it does
   */
  giveWay(now: number, isFarAhead: boolean): boolean {
    if (this.#stop !== undefined || this.#context.connectivity.upFor(now) === 0) return false;
    const attention = this.#attention(now);
    const isShort = this.#tokens.length <= INITIAL_LEAD;
    const isUnseen = !this.#credit.isAcked && (isShort || attention.aloneMs > 0);
    const way = this.#patience.wayOut(attention, { isFarAhead, isUnseen });
    if (way !== undefined) this.#halt(way);
    return way !== undefined;
  }

  #attention(now: number): Attention {
    const reachableMs = this.#context.connectivity.upFor(now);
    return {
      now,
      // Nobody can ack what is not stored: while storage is away, it is not the viewers who hold the run.
      heldMs: Math.min(this.#credit.heldFor(now), this.#publisher.settledFor(now), reachableMs),
      aloneMs: Math.min(this.#credit.aloneFor(now), reachableMs),
      canContinue: () => this.#context.engine.canContinue(this.#tokens),
    };
  }

  async #attempt(): Promise<RunOutcome> {
    const { head } = this.claimed;
    // A worker that died between the last record and the item leaves a log that has its end already.
    if (head?.record.end !== undefined) return this.#finish(head.record.end);
    // From the claim record on, whoever else still writes under an older attempt is refused.
    if (this.claimed.item.attempt > 1) await this.#publisher.claim();
    const end = (await this.#generate()) ?? (await this.#stored());
    if (end === undefined) return this.#leave();
    this.#end = end;
    const counted = this.#counted(end, this.#tokens.length);
    await this.#publisher.finish(counted);
    return this.#finish(counted);
  }

  /** With the usage that every end tells. @param seq tokens of the text in all */
  #counted(end: End, seq: number): End {
    const promptTokens = this.#isAsked ? promptTokensOf(this.#request.messages) : 0;
    return { ...end, usage: wholeUsage(end.usage, { promptTokens, completionTokens: seq }) };
  }

  /** Stores what was made. @returns the end of a run that was told to end meanwhile */
  async #stored(): Promise<End | undefined> {
    await this.#publisher.flush();
    return this.#stop === undefined ? undefined : this.#endOfStop(this.#stop);
  }

  /** Leaves the generation, with all of it stored, to whoever goes on with it. */
  async #leave(): Promise<RunOutcome> {
    const { bus } = this.#context;
    const leaving = this.#leaving;
    this.#isLeaving = true;
    if (this.#stop?.type === 'park') {
      const parking = { ...leaving, savedTokens: this.#account.savedTokens(this.#tokens.length) };
      return (await this.#settle(() => parkGeneration(this.#context, parking))) ? 'parked' : 'lost';
    }
    const isHandedOver = this.#stop?.type === 'drain' || this.#stop?.type === 'yield';
    const queue = isHandedOver ? requeueGeneration : recoverGeneration;
    return (await this.#settle(() => queue(bus, leaving))) ? 'requeued' : 'lost';
  }

  /** Drives the engine until its end or until told to stop; undefined: nothing ended, it goes on later. */
  async #generate(): Promise<End | undefined> {
    const request = { ...this.#request, traceparent: this.#account.ask() };
    const run = this.#context.engine.generate(request, this.#abort.signal);
    let failure: unknown;
    try {
      while (this.#stop === undefined) {
        // Before the first token too: an attempt that goes on has to hear first how far its viewers are.
        if (!this.#credit.open || !this.#publisher.hasRoom) {
          await this.#hold();
          continue;
        }
        this.#isAsked = true;
        const next = await run.next();
        if (next.done === true) {
          this.#account.usage(next.value.usage);
          return { ...next.value };
        }
        this.#take(next.value);
      }
    } catch (error) {
      // Being told to stop surfaces here as the signal's reason; then the stop says what happens.
      failure = error;
    }
    // Settles once the engine has let go of its upstream. It ended by throwing already in most cases.
    await run.return({ reason: 'stop' }).catch(() => undefined);
    return this.#stop === undefined ? this.#endOfFailure(failure) : this.#endOfStop(this.#stop);
  }

  #take(token: Token): void {
    this.#tokens.push(token);
    this.#bytes += encodedBytes(token);
    this.#account.token(this.#tokens.length);
    if (this.#stop !== undefined) this.#tokensAfterStop += 1;
    this.#credit.take(this.#context.clock.now());
    this.#publisher.push(token);
    if (this.#bytes > this.#context.maxAnswerBytes) this.#halt('too_long');
  }

  /** Tells viewers that the run waits for acks, and that it goes on. */
  #showPause(isPaused: boolean): void {
    if (isPaused === this.#isPauseShown) return;
    this.#isPauseShown = isPaused;
    this.#account.mark(isPaused ? 'paused' : 'running', this.#tokens.length);
    this.#context.bus.tokens.announce(this.claimed.key, isPaused ? 'paused' : 'running');
  }

  /** Tells viewers that the engine cannot begin yet. Its first token says that it has. */
  #showWaiting(): void {
    this.#context.bus.tokens.announce(this.claimed.key, 'waiting');
  }

  async #hold(): Promise<void> {
    const isStopped = (): boolean => this.#stop !== undefined;
    if (!this.#credit.open) await this.#credit.whenOpen(this.#context.clock, isStopped);
    if (!this.#publisher.hasRoom && !isStopped()) await this.#publisher.flush();
  }

  #halt(type: Stop['type']): void {
    if (this.#stop !== undefined && !isStronger(type, this.#stop.type)) return;
    this.#stop = { type, at: this.#context.clock.now() };
    this.#abort.abort(new Error(`run stopped: ${type}`));
    this.#credit.release();
  }

  #endOfStop({ type, at }: Stop): End | undefined {
    const { clock, tally } = this.#context;
    if (type === 'unstorable') throw this.#storageError as PublishStoppedError;
    if (type === 'too_long') return { reason: 'length' };
    if (type === 'overdue') return OVERDUE;
    if (type !== 'cancelled' && type !== 'abandoned') return undefined;
    const msToAbort = clock.now() - at;
    tally.abort.add(msToAbort);
    return { reason: type, receipt: { tokensAfterCancel: this.#tokensAfterStop, msToAbort } };
  }

  /** @returns undefined when it was the engine that died, so that another one may go on */
  #endOfFailure(error: unknown): End | undefined {
    const { key, item } = this.claimed;
    this.#context.logger.warn('engine_failed', { ...generationIds(key, item.traceparent), error });
    if (error instanceof EngineError && error.isLost) {
      this.#context.onEngineLost();
      if (poisonEnd(countCrash(item, this.#tokens.length)) === undefined) return undefined;
    }
    if (error instanceof EngineError && error.status === NOT_FOUND) this.#context.onModelMissing();
    if (error instanceof EngineError) return { reason: 'error', error: errorOf(error) };
    return { reason: 'error', error: { code: 'internal', message: 'the engine failed unexpectedly' } };
  }

  get #leaving(): Leaving {
    const at = { epoch: this.#writer.epoch, seq: this.#writer.head };
    const { key, item } = this.claimed;
    const leftAt = this.#context.clock.now();
    return { key, attempt: item.attempt, at, tokens: this.#tokens, leftAt };
  }

  async #finish(end: End): Promise<RunOutcome> {
    const { bus } = this.#context;
    const savedTokens = STOPPED.has(end.reason) ? this.#account.savedTokens(this.#tokens.length) : 0;
    const leaving = { ...this.#leaving, savedTokens };
    const finish = (): Promise<boolean> => finishGeneration(bus, leaving, end);
    // The log has the text, which is larger than the store takes in one piece: the item says that, and frees the slot.
    const { usage } = end;
    const tooLarge = { ...TOO_LARGE, ...(usage === undefined ? {} : { usage }) };
    const finishBare = (): Promise<boolean> => finishGeneration(bus, { ...leaving, tokens: [] }, tooLarge);
    return (await this.#settle(finish, finishBare)) ? end.reason : 'lost';
  }

  /** Storage refuses: the item alone can still say how it ended. Otherwise the log is not ours to touch. */
  async #onUnstorable({ reason, message }: PublishStoppedError): Promise<RunOutcome> {
    const { bus, tally, logger } = this.#context;
    const leaving = this.#leaving;
    const { key, item } = this.claimed;
    logger.warn('run_unstorable', { ...generationIds(key, item.traceparent), reason, message });
    if (reason === 'behind') return 'behind';
    if (reason === 'fenced') tally.fenced += 1;
    // Storage was away for long. The engine has been let go; what is stored goes on once storage is back.
    if (reason === 'given_up')
      return (await this.#settle(() => requeueGeneration(bus, leaving))) ? 'requeued' : 'lost';
    if (reason !== 'refused') return 'lost';
    const inLog = this.#inLog;
    const end = this.#counted(this.#endWithout(inLog), inLog.at.seq);
    return (await this.#settle(() => finishGeneration(bus, inLog, end))) ? end.reason : 'lost';
  }

  /** What the log has of the text: where it refused the beginning of a new epoch, still all of the old one. */
  get #inLog(): Leaving {
    const { head, prefix = [] } = this.claimed;
    const leaving = this.#leaving;
    if (head === undefined || this.#writer.sequence !== head.sequence)
      return { ...leaving, tokens: this.#tokens.slice(0, this.#writer.head) };
    const { record } = head;
    return { ...leaving, at: { epoch: record.epoch, seq: headOf(record) }, tokens: prefix };
  }

  /** The end of a run whose log takes none: its own where nothing but that is missing, or where somebody asked for it. */
  #endWithout({ at }: Leaving): End {
    const isWhole = at.epoch === this.#writer.epoch && at.seq === this.#tokens.length;
    const isAsked = this.#end?.reason === 'cancelled' || this.#end?.reason === 'abandoned';
    if (this.#end !== undefined && (isWhole || isAsked)) return this.#end;
    return { reason: 'error', error: { code: 'storage_limit', message: 'the token log is full' } };
  }

  /** @returns false: its job comes again later */
  #settle(write: () => Promise<boolean>, smaller?: () => Promise<boolean>): Promise<boolean> {
    this.#isOutOfSlot = true;
    this.#context.onEngineFree();
    const { key, item } = this.claimed;
    return settle(generationIds(key, item.traceparent), { write, smaller }, this.#context);
  }

  #serveControl(): Promise<Subscription> {
    const { bus, clock } = this.#context;
    const { key, item } = this.claimed;
    const cancel = (): CancelReply => {
      // Too late to end it here, and too early to end it elsewhere.
      if (this.#isLeaving) return { type: 'leaving' };
      this.#halt('cancelled');
      return { type: 'cancelling', attempt: item.attempt };
    };
    return persist(
      () => bus.control.serve(key, { ack: (ack) => this.#credit.onAck(ack, clock.now()), cancel }),
      clock,
      this.#abort.signal,
    );
  }
}

const NOT_FOUND = 404;

/** Bytes of a token's text in JSON: what is escaped takes up to six times as much as it says. */
const encodedBytes = (token: Token): number => Buffer.byteLength(JSON.stringify(textOf(token))) - 2;
