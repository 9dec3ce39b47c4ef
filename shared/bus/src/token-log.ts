import type { Draft, PublishOutcome } from '@sluice/core';
import type {
  GenerationId,
  GenerationKey,
  PresenceMessage,
  RunState,
  SessionKey,
  StoredRecord,
  TokenRecord,
} from '@sluice/protocol';
import type { StoredCard } from './cards/session-cards.ts';
import type { ErasedItem, StoredItem } from './session-store.ts';

/**
 * Called for what is stored in a session from now on, in the server's order; never for what cannot be read. Must not
 * throw: the message is then lost.
 */
export type TailListener = {
  record(generation: GenerationId, record: TokenRecord): void;
  item(item: StoredItem): void;
  /** An item was erased. */
  erased?(item: ErasedItem): void;
  /** What is listed of the session has changed, or it is deleted. */
  card?(card: StoredCard): void;
  /** What a worker says in passing; never stored, and lost without harm. */
  state?(generation: GenerationId, state: RunState): void;
  /** What edges tell each other of who watches; never stored, and repeated. */
  presence?(message: PresenceMessage): void;
};

export type Subscription = { close(): void };

/** The token records of all generations. */
export type TokenLog = {
  /**
   * Publishes one drafted record in place of its chunk's earlier one, fenced by the sequence it expects: that of the
   * newest record. Foreign messages after that one do not count, and if one of them replaced the chunk that the draft
   * closes, that is stored again. Resolves whatever happens; `unknown` means the record may or may not be stored.
   */
  append(key: GenerationKey, draft: Draft): Promise<PublishOutcome>;
  /** The newest message that is a record, as the stream's leader has it. @throws BusUnavailableError */
  head(key: GenerationKey): Promise<StoredRecord | undefined>;
  /** Sequence of what was stored last in a session's logs, as the stream's leader has it; 0: nothing. */
  newest(key: SessionKey): Promise<number>;
  /**
   * Whether a foreign message follows the head: one that may have replaced a record which readers have seen.
   * @throws BusUnavailableError
   */
  isObscured(key: GenerationKey, head: StoredRecord | undefined): Promise<boolean>;
  /**
   * The chunks right before `next` that lead up to it, oldest first: `count` of them, or fewer where the epoch
   * begins, or where retention or a foreign message has removed some. `count` is at most 1,024.
   * @throws BusUnavailableError
   */
  before(key: GenerationKey, next: StoredRecord, count: number): Promise<readonly StoredRecord[]>;
  /**
   * Everything live of a session, by one subscription. Resolves once the server has the subscription: whatever is
   * stored after that is delivered, or found by a later read of the head.
   */
  tail(key: SessionKey, listener: TailListener): Promise<Subscription>;
  /** Tells whoever tails the session in what state a run is. Fire and forget. */
  announce(key: GenerationKey, state: RunState): void;
};
