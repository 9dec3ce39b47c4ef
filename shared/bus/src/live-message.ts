import { ForeignMessageError, ORG_STATS, parseRecord, SYSTEM_STATS } from '@sluice/protocol';
import type { GenerationId, SessionKey } from '@sluice/protocol';
import type { Border } from './border.ts';
import { isErased } from './cards/erased.ts';
import { parseCard, parsePresence, parseRunState, parseStatsMessage } from './messages.ts';
import { itemParser } from './stored-item.ts';
import { parseLiveSubject } from './subjects.ts';
import type { TailListener } from './token-log.ts';

/** One message of a session's live subjects. */
export type LiveMessage = {
  readonly subject: string;
  readonly text: string;
  /** of what is stored, the stream sequence; a message that was only published has none. Read for items alone: it may cost */
  readonly sequence: number | undefined;
};

const isStatsSession = ({ session }: SessionKey): boolean =>
  session === ORG_STATS || session === SYSTEM_STATS;

/**
 * Hands the live messages of a session to whoever tails it; what is none of ours stays at the border. An object rather
 * than closures: an edge has one for each watched session.
 */
export class LiveDelivery {
  readonly #key: SessionKey;
  readonly #listener: TailListener;
  readonly #border: Border;

  constructor(key: SessionKey, listener: TailListener, border: Border) {
    this.#key = key;
    this.#listener = listener;
    this.#border = border;
  }

  take(message: LiveMessage): void {
    const { subject, text } = message;
    const { kind, id } = parseLiveSubject(subject) ?? {};
    if (id === undefined) return;
    if (kind === 'tok') {
      const record = this.#border.read('record', text, parseRecord);
      if (record !== undefined) this.#listener.record(id, record);
    } else if (kind === 'item') this.#onItem(id, message);
    else if (kind === 'card') this.#onCard(message);
    else if (kind === 'pres') this.#onPresence(message);
    else if (kind === 'state') {
      const run = this.#border.read('state', text, parseRunState);
      if (run !== undefined) this.#listener.state?.(id, run.state);
    }
  }

  #onItem(id: GenerationId, { text, sequence }: LiveMessage): void {
    if (isErased(text)) {
      if (sequence !== undefined) this.#listener.erased?.({ rev: sequence, id });
      return;
    }
    const stored = this.#border.read('item', text, storedAt(sequence, itemParser(id)));
    if (stored !== undefined) this.#listener.item({ rev: stored.rev, item: stored.value });
  }

  #onCard({ text, sequence }: LiveMessage): void {
    const stored = this.#border.read('card', text, storedAt(sequence, parseCard));
    if (stored !== undefined) this.#listener.card?.({ rev: stored.rev, card: stored.value });
  }

  #onPresence({ text }: LiveMessage): void {
    const presence = isStatsSession(this.#key)
      ? this.#border.read('report', text, parseStatsMessage)
      : this.#border.read('presence', text, parsePresence);
    if (presence !== undefined) this.#listener.presence?.(presence);
  }
}

/** A parser of what only the server may say, which names the sequence it was stored under. */
const storedAt =
  <Value>(rev: number | undefined, parse: (text: string) => Value) =>
  (text: string): { readonly rev: number; readonly value: Value } => {
    if (rev === undefined) throw new ForeignMessageError('expected a Nats-Sequence header');
    return { rev, value: parse(text) };
  };
