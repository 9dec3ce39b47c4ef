import { ForeignMessageError } from '@sluice/protocol';
import type { Subscription } from './token-log.ts';

/** What crosses the border of a service: every message and every stored thing that is read is one of these. */
export const FOREIGN_KINDS = [
  'beat',
  'body',
  'card',
  'control',
  'control_reply',
  'counter',
  'directory_entry',
  'item',
  'job',
  'org_settings',
  'presence',
  'prompt',
  'record',
  'relay',
  'report',
  'revocation',
  'state',
  'stats_ask',
  'usage',
] as const;
export type ForeignKind = (typeof FOREIGN_KINDS)[number];

/** A message that was dropped. `reason` names fields and types, never content. */
export type ForeignMessage = { readonly kind: ForeignKind; readonly reason: string };

/**
 * Where everything that comes over NATS is parsed. Edges and workers may be anybody's program, and a password may be
 * stolen: what does not fit its shape is told to the listeners and dropped, and harms nobody beside it.
 */
export class Border {
  readonly #listeners = new Set<(message: ForeignMessage) => void>();

  /** Called for each message that is dropped from now on. Must not throw. */
  onForeign(listener: (message: ForeignMessage) => void): Subscription {
    this.#listeners.add(listener);
    return { close: () => void this.#listeners.delete(listener) };
  }

  /**
   * What a message says; undefined when it is none of ours.
   * @param parse throws ForeignMessageError; whatever else it throws counts as the same
   */
  read<Value>(kind: ForeignKind, text: string, parse: (text: string) => Value): Value | undefined {
    try {
      return parse(text);
    } catch (error) {
      this.#drop({ kind, reason: reasonOf(error) });
      return undefined;
    }
  }

  #drop(message: ForeignMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}

/** Of an error that is not about a field only the name is told: its message may quote what it could not read. */
const reasonOf = (error: unknown): string =>
  error instanceof ForeignMessageError ? error.message : (error as Error).name;
