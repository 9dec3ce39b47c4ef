import type { Bus, History, StoredItem } from '@sluice/bus';
import { uiMessageIdOf, uiPromptOf, uiQuestionIdOf, uiRepeatOf } from '@sluice/core';
import type { StoredGeneration, UiPrompt } from '@sluice/core';
import { parseGenerationId, SluiceError } from '@sluice/protocol';
import type { GenerationKey, SessionKey } from '@sluice/protocol';
import { openSession } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import type { ChatQuestion } from './chat-request.ts';
import { cancelFor } from '../requests/cancellation.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { currentTry } from '../requests/current-try.ts';
import { checkPrompt } from '../requests/prompt-check.ts';
import { submitPrompt } from '../requests/prompt-submission.ts';

/** A generation as a chat of the AI SDK sees it: the answer that a message of it shows. */
export type Answer = { readonly key: GenerationKey; readonly messageId: string };

type Asking = {
  readonly grant: Grant;
  readonly chat: string;
  readonly question: ChatQuestion;
  readonly traceparent: string | undefined;
};

/**
 * Starts the answer to what a chat asks, or finds it. A chat is a session of the same id.
 * @throws SluiceError bad_frame, not_found, forbidden and what submitting a prompt throws
 */
export const askForAnswer = async (
  { grant, chat, question, traceparent }: Asking,
  context: EdgeContext,
): Promise<Answer> => {
  openSession(grant, chat, 'read');
  const session = openSession(grant, chat, 'prompt');
  const { generation, messageId, body, history } =
    question.type === 'said'
      ? { ...uiPromptOf(question.request), history: undefined }
      : await repeatOf(session, question, context.bus);
  const first = { ...session, generation: parseGenerationId(generation) };
  const key = await currentTry(first, context.bus);
  await submitPrompt({ key, grant, body: checkPrompt(body), history, traceparent }, context);
  return { key, messageId: messageId === generation ? key.generation : messageId };
};

type Again = Extract<ChatQuestion, { readonly type: 'again' }>;

/** Another answer to what the session was asked before, of the past as it was then. */
const repeatOf = async (
  session: SessionKey,
  { message, fields, request }: Again,
  { sessions }: Bus,
): Promise<UiPrompt & { readonly history: History | undefined }> => {
  const asked = (await generationsOf(session, sessions)).filter(
    ({ id }) =>
      uiMessageIdOf(id) === id && (message === undefined || [id, uiQuestionIdOf(id)].includes(message)),
  );
  const [newest] = asked.toSorted((left, right) => right.createdAt - left.createdAt);
  const key = newest && { ...session, generation: parseGenerationId(newest.id) };
  const entry = key && (await sessions.prompt(key));
  if (key === undefined || entry === undefined)
    throw new SluiceError('not_found', '`messageId`: expected an answer of this chat, or `messages`');
  const { body, history } = entry;
  return { ...uiRepeatOf({ id: key.generation, body }, fields, request), history };
};

/**
 * The answer that a chat can go on with: the newest one that is not done, or the one that a message shows,
 * done or not. @throws BusUnavailableError
 */
export const findAnswer = async (
  key: SessionKey,
  message: string | undefined,
  bus: Bus,
): Promise<Answer | undefined> => {
  const generations = await generationsOf(key, bus.sessions);
  const found = generations.filter(({ id, status }) =>
    message === undefined ? status !== 'done' : uiMessageIdOf(id) === message,
  );
  const newest = found.toSorted((left, right) => left.createdAt - right.createdAt).at(-1);
  if (newest === undefined) return undefined;
  return { key: { ...key, generation: parseGenerationId(newest.id) }, messageId: uiMessageIdOf(newest.id) };
};

/**
 * Stops whatever runs in a chat. @returns whether anything did
 * @throws SluiceError not_found, forbidden, unavailable; BusUnavailableError
 */
export const stopChat = async (grant: Grant, chat: string, context: EdgeContext): Promise<boolean> => {
  const key = openSession(grant, chat);
  const running = (await generationsOf(key, context.bus.sessions)).filter(({ status }) => status !== 'done');
  for (const { id } of running)
    await cancelFor({ ...key, generation: parseGenerationId(id) }, grant, context);
  return running.length > 0;
};

/** An item that changes while pages are read comes again in a later one: what it is last counts. */
const generationsOf = async (
  key: SessionKey,
  sessions: Bus['sessions'],
): Promise<readonly StoredGeneration[]> => {
  const items = new Map<string, StoredItem['item']>();
  for (let rev = 0, more = true; more;) {
    const page = await sessions.items(key, rev);
    for (const { item } of page.items) items.set(item.id, item);
    ({ rev, more } = page);
  }
  return [...items.values()].filter((item) => item.kind === 'generation');
};
