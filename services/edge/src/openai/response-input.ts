import { SluiceError } from '@sluice/protocol';
import type { ChatMessage } from '@sluice/protocol';
import { counted } from '@sluice/protocol/schema';
import { z } from 'zod';

const partSchema = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
});
const contentSchema = z.union([z.string(), counted(10_000, z.array(partSchema))]);

/** One entry of a response's `input`; what its other fields say passes unseen. */
const inputItemSchema = z.looseObject({
  type: z.string().nullish(),
  role: z.string().min(1).max(32).optional(),
  content: contentSchema.nullish(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  output: contentSchema.optional(),
});

export const inputSchema = z.union([
  z.string(),
  counted(10_000, z.array(inputItemSchema).min(1).max(10_000)),
]);

type InputItem = z.infer<typeof inputItemSchema>;
type Content = z.infer<typeof contentSchema>;

/** The conversation of a response's `input`, as chat completions have it. @throws SluiceError bad_frame */
export const messagesOfInput = (input: z.infer<typeof inputSchema>): ChatMessage[] => {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const messages: ChatMessage[] = [];
  for (const [index, item] of input.entries()) addItem(messages, item, `input.${index}`);
  return messages;
};

const addItem = (messages: ChatMessage[], item: InputItem, at: string): void => {
  switch (item.type ?? 'message') {
    case 'message':
      messages.push(messageOf(item, at));
      return;
    case 'function_call':
      addCall(messages, item, at);
      return;
    case 'function_call_output':
      messages.push({
        role: 'tool',
        tool_call_id: need(item.call_id, `${at}.call_id`),
        content: contentOf(need(item.output, `${at}.output`), `${at}.output`),
      });
      return;
    case 'reasoning':
      // Engines take a conversation as it was spoken; what they thought is not said to them again.
      return;
    default:
      throw wrong(`${at}.type`, 'expected `message`, `function_call`, `function_call_output` or `reasoning`');
  }
};

const messageOf = ({ role, content }: InputItem, at: string): ChatMessage => {
  const speaker = need(role, `${at}.role`);
  return {
    // Chat templates know no developer.
    role: speaker === 'developer' ? 'system' : speaker,
    content: contentOf(need(content, `${at}.content`), `${at}.content`),
  };
};

/** Calls follow what was said before them in the same message. */
const addCall = (messages: ChatMessage[], item: InputItem, at: string): void => {
  const call = {
    id: need(item.call_id, `${at}.call_id`),
    type: 'function',
    function: { name: need(item.name, `${at}.name`), arguments: need(item.arguments, `${at}.arguments`) },
  };
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    messages.push({ role: 'assistant', content: null, tool_calls: [call] });
    return;
  }
  const earlier = (last['tool_calls'] ?? []) as readonly unknown[];
  messages[messages.length - 1] = { ...last, tool_calls: [...earlier, call] };
};

const contentOf = (content: Content, at: string): string | unknown[] => {
  if (typeof content === 'string') return content;
  const parts = content.map((part, index) => partOf(part, `${at}.${index}`));
  const isText = content.every(({ type }) => type !== 'input_image');
  return isText ? content.map(saidIn).join('') : parts;
};

type Part = z.infer<typeof partSchema>;

const saidIn = ({ text, refusal = '' }: Part): string => text ?? refusal;

const partOf = (part: Part, at: string): object => {
  const { type } = part;
  if (type === 'input_text' || type === 'output_text' || type === 'refusal')
    return { type: 'text', text: saidIn(part) };
  if (type !== 'input_image') throw wrong(`${at}.type`, 'expected text or `input_image`');
  const { image_url: url, detail } = part;
  if (typeof url !== 'string') throw wrong(`${at}.image_url`, 'expected an address; files are not kept here');
  return { type: 'image_url', image_url: { url, ...(detail === undefined ? {} : { detail }) } };
};

const wrong = (field: string, expected: string): SluiceError =>
  new SluiceError('bad_frame', `\`${field}\`: ${expected}`);

const need = <Value>(value: Value | null | undefined, field: string): Value => {
  if (value === null || value === undefined) throw wrong(field, 'expected, got none');
  return value;
};
