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

/** Hands the live messages of a session to whoever tails it; what is none of ours stays at the border. */
export const deliverTo = (key: SessionKey, listener: TailListener, border: Border) => {
  const isStats = isStatsSession(key);
  const onItem = (id: GenerationId, { text, sequence }: LiveMessage): void => {
    if (isErased(text)) {
      if (sequence !== undefined) listener.erased?.({ rev: sequence, id });
      return;
    }
    const stored = border.read('item', text, storedAt(sequence, itemParser(id)));
    if (stored !== undefined) listener.item({ rev: stored.rev, item: stored.value });
  };
  const onCard = ({ text, sequence }: LiveMessage): void => {
    const stored = border.read('card', text, storedAt(sequence, parseCard));
    if (stored !== undefined) listener.card?.({ rev: stored.rev, card: stored.value });
  };
  const onPresence = ({ text }: LiveMessage): void => {
    const presence = isStats
      ? border.read('report', text, parseStatsMessage)
      : border.read('presence', text, parsePresence);
    if (presence !== undefined) listener.presence?.(presence);
  };
  return (message: LiveMessage): void => {
    const { subject, text } = message;
    const { kind, id } = parseLiveSubject(subject) ?? {};
    if (id === undefined) return;
    if (kind === 'tok') {
      const record = border.read('record', text, parseRecord);
      if (record !== undefined) listener.record(id, record);
    } else if (kind === 'item') onItem(id, message);
    else if (kind === 'card') onCard(message);
    else if (kind === 'pres') onPresence(message);
    else if (kind === 'state') {
      const run = border.read('state', text, parseRunState);
      if (run !== undefined) listener.state?.(id, run.state);
    }
  };
};

/** A parser of what only the server may say, which names the sequence it was stored under. */
const storedAt =
  <Value>(rev: number | undefined, parse: (text: string) => Value) =>
  (text: string): { readonly rev: number; readonly value: Value } => {
    if (rev === undefined) throw new ForeignMessageError('expected a Nats-Sequence header');
    return { rev, value: parse(text) };
  };
