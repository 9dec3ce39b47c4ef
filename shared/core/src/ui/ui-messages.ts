import type { ChatMessage } from '@sluice/protocol';
import { isRecord } from './ui-tools.ts';
import { wrongField } from './wrong-field.ts';

/** A part of a UI message; its fields are the client's word. */
export type UiPart = { readonly type: string; readonly [field: string]: unknown };

/** A message of the AI SDK's chat. */
export type UiMessage = {
  readonly id: string;
  readonly role: 'system' | 'user' | 'assistant';
  readonly parts: readonly UiPart[];
};

/**
 * A UI message in OpenAI's shape; an assistant's of several steps becomes several messages. Reasoning,
 * sources and `data-` parts are for people and left out, and so are calls that nobody has carried out.
 * @throws SluiceError bad_frame for a file that is neither an image nor given as a data URL, and a call that waits for approval
 */
export const chatMessagesOf = ({ role, parts }: UiMessage): readonly ChatMessage[] => {
  if (role === 'assistant') return assistantMessages(parts);
  const files = parts.filter(({ type }) => type === 'file');
  const text = textIn(parts);
  if (role === 'system' || files.length === 0) return [{ role, content: text }];
  const content = parts.flatMap((part): readonly unknown[] => {
    if (part.type === 'text') return [{ type: 'text', text: stringIn(part, 'text') }];
    return part.type === 'file' ? [fileOf(part)] : [];
  });
  return [{ role, content }];
};

const fileOf = (part: UiPart): unknown => {
  const mediaType = stringIn(part, 'mediaType');
  const url = stringIn(part, 'url');
  if (mediaType === 'image' || mediaType.startsWith('image/'))
    return { type: 'image_url', image_url: { url } };
  if (!/^data:/i.test(url)) throw wrongField('messages', 'a data URL for a file that is no image');
  const { filename } = part;
  return { type: 'file', file: { ...(typeof filename === 'string' ? { filename } : {}), file_data: url } };
};

type Step = {
  text: string;
  /** what the server wants back with the message */
  readonly fields: object;
  readonly calls: unknown[];
  readonly results: ChatMessage[];
};

const assistantMessages = (parts: readonly UiPart[]): readonly ChatMessage[] => {
  const steps: Step[] = [];
  let step: Step | undefined;
  const begin = (): Step => {
    step = { text: '', fields: {}, calls: [], results: [] };
    steps.push(step);
    return step;
  };
  for (const part of parts) {
    if (part.type === 'step-start') step = undefined;
    // Text after a call has seen its result.
    else if (part.type === 'text')
      (step === undefined || step.calls.length > 0 ? begin() : step).text += stringIn(part, 'text');
    else if (part.type === 'reasoning')
      Object.assign((step?.calls.length === 0 ? step : begin()).fields, fieldsIn(part['providerMetadata']));
    else if (isTool(part)) addCall(step ?? begin(), part);
  }
  return steps.flatMap(messagesOf);
};

const messagesOf = ({ text, fields, calls, results }: Step): readonly ChatMessage[] => {
  if (text === '' && calls.length === 0) return [];
  const called = calls.length === 0 ? {} : { tool_calls: calls };
  return [{ ...fields, role: 'assistant', content: text === '' ? null : text, ...called }, ...results];
};

/** What the server of the model wants back, as the part brought it to the client. */
const fieldsIn = (metadata: unknown): object =>
  isRecord(metadata) && isRecord(metadata['sluice']) ? metadata['sluice'] : {};

const addCall = ({ calls, results }: Step, part: UiPart): void => {
  const content = resultOf(part);
  if (content === undefined) return;
  const id = stringIn(part, 'toolCallId');
  const name = part.type === 'dynamic-tool' ? stringIn(part, 'toolName') : part.type.slice(TOOL.length);
  const given = part['input'] ?? part['rawInput'] ?? {};
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  const fields = fieldsIn(part['callProviderMetadata']);
  calls.push({ ...fields, id, type: 'function', function: { name, arguments: text } });
  results.push({ role: 'tool', tool_call_id: id, content });
};

const TOOL = 'tool-';
const isTool = ({ type }: UiPart): boolean => type === 'dynamic-tool' || type.startsWith(TOOL);

const resultOf = (part: UiPart): string | undefined => {
  const { state, output } = part;
  if (state === 'approval-requested' || state === 'approval-responded')
    throw wrongField('messages', `a result; approving calls (\`${state}\`) is not supported yet`);
  if (state === 'output-available')
    return typeof output === 'string' ? output : JSON.stringify(output ?? null);
  if (state === 'output-error') return stringIn(part, 'errorText');
  return state === 'output-denied' ? 'the user did not allow this call' : undefined;
};

const textIn = (parts: readonly UiPart[]): string =>
  parts.map((part) => (part.type === 'text' ? stringIn(part, 'text') : '')).join('');

/** @throws SluiceError bad_frame */
const stringIn = (part: UiPart, field: string): string => {
  const value = part[field];
  if (typeof value === 'string') return value;
  throw wrongField('messages', `\`${field}\` of a part to be a string`);
};
