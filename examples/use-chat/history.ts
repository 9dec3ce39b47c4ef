import type { Item, Session } from '@sluice/client';
import type { UIMessage } from 'ai';

/** What was said before: the session has it, so a page that is loaded again needs no store of its own. */
export const historyOf = async (session: Session): Promise<UIMessage[]> => {
  await session.subscribe();
  return [...session.items.values()].sort((left, right) => left.createdAt - right.createdAt).flatMap(turnOf);
};

/** A question and its answer. An answer that is not done comes with the stream that `useChat` resumes. */
const turnOf = (item: Item): UIMessage[] => {
  if (item.kind === 'message') return [messageOf('user', item.id, item.text)];
  const question = messageOf('user', `${item.id}-question`, item.input);
  return item.status === 'done' ? [question, messageOf('assistant', item.id, item.text ?? '')] : [question];
};

const messageOf = (role: UIMessage['role'], id: string, text: string): UIMessage => ({
  id,
  role,
  parts: [{ type: 'text', text }],
});
