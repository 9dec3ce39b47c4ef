import { isId } from '@sluice/protocol';
import type { ChatMessage, PromptBody } from '@sluice/protocol';
import { fnv1a } from '../hash.ts';
import { chatMessagesOf } from './ui-messages.ts';
import type { UiMessage } from './ui-messages.ts';
import { uiOptionsOf } from './ui-options.ts';
import { wrongField } from './wrong-field.ts';

/** What a chat of the AI SDK asks for. */
export type UiRequest = {
  readonly trigger: 'submit-message' | 'regenerate-message';
  /** the whole conversation, as the client has it */
  readonly messages: readonly UiMessage[];
  /** what the application says beside them, at the top of its request */
  readonly fields: Readonly<Record<string, unknown>>;
  /** tells one regeneration from the next */
  readonly request: string;
};

export type UiPrompt = {
  readonly generation: string;
  /** of the message that the answer belongs to */
  readonly messageId: string;
  /** as asked for: whoever does not trust its client looks at it first */
  readonly body: PromptBody;
};

/** How much of the user message's id a generation's id shows. */
const SHOWN_CHARS = 28;
/** Between the id of a question and what tells its answers apart: nobody else ends an id like this. */
const ANSWER = '-_';
/** Longest id of a message that still fits before {@link STEP} and a hash. */
const MAX_ROOT_CHARS = 46;
/** Between the id of a message and what tells its later steps apart. */
const STEP = '--';
const LATER_STEP = new RegExp(`^(.+)${STEP}[0-9a-f]{16}$`);

/**
 * The prompt of a request. Its id is made from what is asked, so that the same question, asked again after
 * a lost connection, finds its answer: with or without the part of the answer that had arrived.
 * A question that follows a tool's result is a later step of the message with the call.
 * @throws SluiceError bad_frame
 */
export const uiPromptOf = ({ trigger, messages, fields, request }: UiRequest): UiPrompt => {
  const { prompt, params, system } = uiOptionsOf(fields);
  const said = system === undefined ? [] : [{ role: 'system', content: system }];
  const body: PromptBody = {
    ...prompt,
    ...(Object.keys(params).length === 0 ? {} : { params }),
    messages: [...said, ...questionOf(messages, prompt['history'] !== undefined)],
  };
  const salt = trigger === 'regenerate-message' ? request : '';
  const asked = messages.findLast(({ role }) => role === 'user')?.id ?? '';
  const hash = digest([salt, asked, body]);
  const answered = messages.findLast(({ role }) => role === 'assistant');
  if (body.messages?.at(-1)?.role === 'tool' && answered !== undefined) {
    const fits = isId(answered.id) && answered.id.length <= MAX_ROOT_CHARS;
    const root = fits ? answered.id : shownPart(answered.id);
    return { generation: `${root}${STEP}${hash}`, messageId: answered.id, body };
  }
  const generation = `${shownPart(asked)}${ANSWER}${hash}`;
  return { generation, messageId: generation, body };
};

/**
 * The prompt of another answer to what a stored generation was asked.
 * @param fields what the application says of it now, which counts before what it said then
 * @param request tells one such answer from the next
 * @throws SluiceError bad_frame
 */
export const uiRepeatOf = (
  { id, body: stored }: { readonly id: string; readonly body: PromptBody },
  fields: UiRequest['fields'],
  request: string,
): UiPrompt => {
  const { input, messages = [{ role: 'user', content: input ?? '' }], ...rest } = stored;
  const { prompt, params, system } = uiOptionsOf({ ...fields, history: undefined });
  const said = messages.filter(({ role }) => system === undefined || role !== 'system');
  const body: PromptBody = {
    ...{ ...rest, ...prompt, params: { ...rest.params, ...params } },
    ...(input === undefined ? {} : { history: 'session' }),
    messages: system === undefined ? said : [{ role: 'system', content: system }, ...said],
  };
  const generation = `${uiQuestionIdOf(id)}${ANSWER}${digest([request, body])}`;
  return { generation, messageId: generation, body };
};

/** The message that a generation's answer belongs to, where the request that asked for it is not at hand. */
export const uiMessageIdOf = (generation: string): string => LATER_STEP.exec(generation)?.[1] ?? generation;

/** The question that a chat's answer is to, as its id shows it; undefined: it is none of a chat's. */
export const uiQuestionOf = (generation: string): string | undefined =>
  new RegExp(`^(.*)${ANSWER}[0-9a-f]{16}$`).exec(uiMessageIdOf(generation))?.[1];

/** Id of the user's message before an answer. What repeats it from there is known as an answer to the same. */
export const uiQuestionIdOf = (generation: string): string =>
  uiQuestionOf(generation) ?? shownPart(`question-${generation}`);

/**
 * The conversation up to what is to be answered: without the answer itself, or a part of it.
 * @param isContinued the session has what was said before, so only what is new is asked
 */
const questionOf = (messages: readonly UiMessage[], isContinued: boolean): readonly ChatMessage[] => {
  const all = messages.flatMap(chatMessagesOf);
  const question = all.slice(0, all.findLastIndex(({ role }) => role !== 'assistant') + 1);
  const begins = question.findLastIndex(({ role }) => role === 'assistant') + 1;
  const asked = question.slice(begins);
  if (!(isContinued ? asked : question).some(({ role }) => role === 'user' || role === 'tool'))
    throw wrongField('messages', 'one of role user');
  return isContinued
    ? [...question.slice(0, begins).filter(({ role }) => role === 'system'), ...asked]
    : question;
};

const shownPart = (id: string): string => id.replaceAll(/\W+/g, '_').slice(0, SHOWN_CHARS);

/** 64 bits of hash: what else has the same one is refused as a conflict, never mixed up. */
const digest = (asked: unknown): string => {
  const text = JSON.stringify(asked);
  return [`a${text}`, `b${text}`].map((salted) => fnv1a(salted).toString(16).padStart(8, '0')).join('');
};
