import { isId, SluiceError } from '@sluice/protocol';
import type { ChatMessage, PromptBody } from '@sluice/protocol';
import { fnv1a } from '../hash.ts';
import { chatMessagesOf } from './ui-messages.ts';
import type { UiMessage } from './ui-messages.ts';
import { uiOptionsOf } from './ui-options.ts';

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
    messages: [...said, ...questionOf(messages)],
  };
  const salt = trigger === 'regenerate-message' ? request : '';
  const asked = messages.findLast(({ role }) => role === 'user')?.id ?? '';
  const hash = digest(JSON.stringify([salt, asked, body]));
  const answered = messages.findLast(({ role }) => role === 'assistant');
  if (body.messages?.at(-1)?.role === 'tool' && answered !== undefined) {
    const fits = isId(answered.id) && answered.id.length <= MAX_ROOT_CHARS;
    const root = fits ? answered.id : shownPart(answered.id);
    return { generation: `${root}${STEP}${hash}`, messageId: answered.id, body };
  }
  const generation = `${shownPart(asked)}-${hash}`;
  return { generation, messageId: generation, body };
};

/** The message that a generation's answer belongs to, where the request that asked for it is not at hand. */
export const uiMessageIdOf = (generation: string): string => LATER_STEP.exec(generation)?.[1] ?? generation;

/** The conversation up to what is to be answered: without the answer itself, or a part of it. */
const questionOf = (messages: readonly UiMessage[]): readonly ChatMessage[] => {
  const all = messages.flatMap(chatMessagesOf);
  const question = all.slice(0, all.findLastIndex(({ role }) => role !== 'assistant') + 1);
  if (!question.some(({ role }) => role === 'user'))
    throw new SluiceError('bad_frame', '`messages`: expected one of role user');
  return question;
};

const shownPart = (id: string): string => id.replaceAll(/\W+/g, '_').slice(0, SHOWN_CHARS);

/** 64 bits of hash: what else has the same one is refused as a conflict, never mixed up. */
const digest = (text: string): string =>
  [`a${text}`, `b${text}`].map((salted) => fnv1a(salted).toString(16).padStart(8, '0')).join('');
