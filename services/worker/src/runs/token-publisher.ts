import type { TokenLog } from '@sluice/bus';
import { isSameRecord, onHeadFinding, onPublishOutcome, publishStarted } from '@sluice/core';
import type { ChunkWriter, Draft, HeadFinding, PublishAction, PublishState } from '@sluice/core';
import type { End, GenerationKey, StoredRecord, Token } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';

/** Why records can no longer be stored under this claim. */
export class PublishStoppedError extends Error {
  /**
   * `fenced`: a newer attempt owns the log. `behind`: an older one wrote on before our claim fenced it,
   * so the log must be read again. `refused`: storage is full. `given_up`: NATS did not answer for the
   * whole retry time.
   */
  readonly reason: 'fenced' | 'behind' | 'refused' | 'given_up';

  constructor(reason: PublishStoppedError['reason'], detail: string) {
    super(`token records cannot be stored: ${detail}`);
    this.reason = reason;
  }
}

export type TokenPublisherOptions = {
  readonly tokens: TokenLog;
  readonly key: GenerationKey;
  readonly writer: ChunkWriter;
  readonly clock: Clock;
  /** called once, when storing has stopped for good */
  readonly onStopped: (error: PublishStoppedError) => void;
  readonly onStored?: () => void;
};

/** Beyond this many tokens that wait to be stored, the run stops taking from the engine. */
const MAX_PENDING = 512;

/**
 * Stores one generation's tokens: one publish in flight, and what arrives meanwhile rides together in
 * the next. A publish of unclear outcome is retried with the same record until the log tells.
 */
export class TokenPublisher {
  readonly #options: TokenPublisherOptions;
  #pending: Token[] = [];
  #end: End | undefined;
  #claiming = false;
  #pumping = false;
  #isBehind = false;
  #stopped: PublishStoppedError | undefined;
  #idle: (() => void)[] = [];
  #storedAt: number;

  constructor(options: TokenPublisherOptions) {
    this.#options = options;
    this.#storedAt = options.clock.now();
  }

  /** seq of the newest stored token. */
  get head(): number {
    return this.#options.writer.head;
  }

  /** Whether more tokens should be taken from the engine. */
  get hasRoom(): boolean {
    return this.#pending.length < MAX_PENDING;
  }

  /** How long everything pushed has been stored, ms; 0 while something is not. */
  settledFor(now: number): number {
    return this.#hasWork ? 0 : now - this.#storedAt;
  }

  push(token: Token): void {
    this.#pending.push(token);
    if (!this.#pumping) void this.#pump();
  }

  /** Writes the claim record: from its storing on, older attempts are refused. */
  claim(): Promise<void> {
    this.#claiming = true;
    return this.flush();
  }

  /** Resolves when everything pushed so far is stored. @throws PublishStoppedError */
  async flush(): Promise<void> {
    if (!this.#pumping) void this.#pump();
    if (this.#pumping) await new Promise<void>((resolve) => this.#idle.push(resolve));
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  /** Stores what is pending and then the end. @throws PublishStoppedError */
  finish(end: End): Promise<void> {
    this.#end = end;
    return this.flush();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.#stopped === undefined && this.#hasWork) await this.#publishNext();
    this.#pumping = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  get #hasWork(): boolean {
    return this.#pending.length > 0 || this.#end !== undefined || this.#claiming;
  }

  async #publishNext(): Promise<void> {
    const { writer, clock, onStored } = this.#options;
    const claiming = this.#claiming;
    const { draft, taken } = claiming
      ? writer.draft([], clock.now())
      : writer.draft(this.#pending, clock.now(), this.#end);
    const sequence = await this.#store(draft);
    if (sequence === undefined) return;
    writer.stored(sequence);
    this.#storedAt = clock.now();
    onStored?.();
    if (claiming) this.#claiming = false;
    else this.#pending.splice(0, taken);
    if (draft.final) this.#end = undefined;
  }

  /** Tries until the record is known to be stored, or storing has stopped. */
  async #store(draft: Draft): Promise<number | undefined> {
    const { tokens, key, clock } = this.#options;
    let state = publishStarted(clock.now());
    for (;;) {
      const outcome = await tokens.append(key, draft);
      let { action, ...rest } = onPublishOutcome(state, outcome, clock.now());
      if (action.type === 'read_head') ({ action, ...rest } = await this.#afterRefusal(draft, rest.state));
      if (action.type === 'advance') return action.sequence;
      if (action.type !== 'retry') return this.#stop(action);
      state = rest.state;
      const { afterMs } = action;
      await new Promise<void>((resolve) => clock.setTimeout(resolve, afterMs));
    }
  }

  async #afterRefusal(
    draft: Draft,
    state: PublishState,
  ): Promise<{ state: PublishState; action: PublishAction }> {
    const { tokens, key, clock } = this.#options;
    try {
      const head = await tokens.head(key);
      this.#isBehind = head !== undefined && head.record.attempt < draft.attempt;
      return onHeadFinding(state, findingOf(draft, head), clock.now());
    } catch (error) {
      return onPublishOutcome(state, { type: 'unknown', detail: (error as Error).message }, clock.now());
    }
  }

  #stop(action: PublishAction): undefined {
    this.#stopped = this.#stoppedBy(action);
    this.#options.onStopped(this.#stopped);
    return undefined;
  }

  #stoppedBy(action: PublishAction): PublishStoppedError {
    if (action.type === 'refused') return new PublishStoppedError('refused', action.detail);
    if (action.type === 'give_up') return new PublishStoppedError('given_up', action.detail);
    return this.#isBehind
      ? new PublishStoppedError('behind', 'an older attempt wrote on before our claim')
      : new PublishStoppedError('fenced', 'a newer attempt owns the log');
  }
}

const findingOf = (draft: Draft, head: StoredRecord | undefined): HeadFinding => {
  if (head !== undefined && isSameRecord(draft, head)) return { type: 'ours', sequence: head.sequence };
  // An older one than expected: a foreign message has replaced the newest, and the next try passes it.
  return { type: (head?.sequence ?? 0) <= draft.expected ? 'previous' : 'newer' };
};
