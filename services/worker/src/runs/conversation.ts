import type { Bus, PromptEntry, StoredItem } from '@sluice/bus';
import type { ChatMessage, GenerationKey } from '@sluice/protocol';

/**
 * The messages an engine gets. A prompt with `messages` uses those and nothing else; one with `input`
 * continues the session: every earlier finished generation and chat line, oldest first.
 */
export const conversationOf = (
  entry: PromptEntry,
  generation: string,
  items: readonly StoredItem[],
): readonly ChatMessage[] => {
  const { messages, input } = entry.body;
  if (messages !== undefined) return messages;
  const earlier = items
    .map(({ item }) => item)
    .filter((item) => item.id !== generation && item.createdAt <= entry.createdAt)
    .toSorted((a, b) => a.createdAt - b.createdAt);
  const history = earlier.flatMap((item): ChatMessage[] => {
    if (item.kind === 'message') return [{ role: 'user', content: item.text }];
    if (item.status !== 'done' || item.text === undefined || item.text === '') return [];
    return [
      { role: 'user', content: item.input },
      { role: 'assistant', content: item.text },
    ];
  });
  return [...history, { role: 'user', content: input ?? '' }];
};

/** Reads what {@link conversationOf} needs. @throws BusUnavailableError */
export const readConversation = async (
  bus: Bus,
  { key, entry }: { readonly key: GenerationKey; readonly entry: PromptEntry },
): Promise<readonly ChatMessage[]> => {
  if (entry.body.messages !== undefined) return entry.body.messages;
  const items: StoredItem[] = [];
  for (let since = 0, more = true; more;) {
    const page = await bus.sessions.items(key, since);
    for (const { rev, item } of page.items) {
      const isSaid = item.kind === 'message' || item.status === 'done';
      const whole = isSaid ? await bus.sessions.whole(key, item) : undefined;
      if (whole !== undefined) items.push({ rev, item: whole });
    }
    ({ rev: since, more } = page);
  }
  return conversationOf(entry, key.generation, items);
};
