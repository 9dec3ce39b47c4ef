import type { Session } from '@sluice/client';
import { uiMessagesOf } from '@sluice/client/ai-sdk';
import type { UIMessage } from 'ai';

/** What was said before: the session has it, so a page that is loaded again needs no store of its own. */
export const historyOf = async (session: Session): Promise<UIMessage[]> => {
  await session.subscribe();
  return uiMessagesOf(session.items.values());
};
