import type { Subscription } from './token-log.ts';

/** Edges ask each other by name, about the connections that only one of them has. Nothing here is stored. */
export type Relay = {
  /**
   * Resolves to the answer, of any size; to undefined, at once, when no edge of this name serves.
   * @param question at most 600 KiB
   * @throws BusUnavailableError when there is no answer within `timeoutMs`: whether it was heard is unknown
   */
  ask(edge: string, question: string, timeoutMs: number): Promise<string | undefined>;
  /**
   * Resolves once questions reach `answer`. One that is not answered, or with undefined, leaves its asker to the
   * timeout.
   */
  serve(edge: string, answer: (question: string) => Promise<string | undefined>): Promise<Subscription>;
};
