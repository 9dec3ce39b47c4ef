import type { Item } from '@sluice/client';
import type { ChatMessage, GenerationItem } from '@sluice/protocol';

/** A prompt this tab has sent that the session does not show yet. */
export type PendingPrompt = {
  readonly id: string;
  readonly input: string;
  readonly createdAt: number;
  /** why it was refused; undefined while it is on its way */
  readonly refusal: string | undefined;
};

/** Oldest first by creation; a session's own order is that of the newest change, in which answers move. */
export const inReadingOrder = (items: Iterable<Item>): readonly Item[] =>
  [...items].sort((left, right) => left.createdAt - right.createdAt || left.id.localeCompare(right.id));

export const isOpen = (item: Item): item is GenerationItem =>
  item.kind === 'generation' && item.status !== 'done';

/**
 * The conversation before `target`, ending with its question: what "ask again" sends, so that the model does
 * not see its earlier answer. A question that was asked again counts with its newest answer only.
 */
export const conversationBefore = (
  items: readonly Item[],
  target: GenerationItem,
): readonly ChatMessage[] => {
  const messages: ChatMessage[] = [];
  for (const item of items) {
    if (item.id === target.id) break;
    if (item.kind !== 'generation') continue;
    const isAskedAgain = item.input !== '' && messages.at(-2)?.content === item.input;
    if (isAskedAgain) messages.splice(-2);
    if (item.input !== '') messages.push({ role: 'user', content: item.input });
    messages.push({ role: 'assistant', content: item.text ?? '' });
  }
  if (messages.at(-2)?.content === target.input) messages.splice(-2);
  return [...messages, { role: 'user', content: target.input }];
};

/** Whether this turn repeats the question of the one before it: then only the answer is shown. */
export const isRepeat = (item: Item, before: Item | undefined): boolean =>
  item.kind === 'generation' &&
  before?.kind === 'generation' &&
  item.input !== '' &&
  before.input === item.input &&
  before.user === item.user;

/** The first words of a text, for a list. */
export const titleOf = (text: string): string => {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length <= 60 ? line : `${line.slice(0, 57).trimEnd()}…`;
};
