import type { ChatMessage } from '@sluice/protocol';
import { counted } from '@sluice/protocol/schema';
import { z } from 'zod';
import { chatContentOf, contentSchema, wrong } from './content-parts.ts';
import { fieldsInCall, fieldsInEncrypted } from '../server-fields.ts';
import { argumentsOfInput, engineNameOf } from './response-tools.ts';

/** One entry of a response's `input`; what its other fields say passes unseen. */
export const inputItemSchema = z.looseObject({
  type: z.string().nullish(),
  id: z.string().max(256).nullish(),
  role: z.string().min(1).max(32).optional(),
  content: contentSchema.nullish(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  namespace: z.string().nullish(),
  arguments: z.string().optional(),
  input: z.string().optional(),
  output: contentSchema.optional(),
});

export const inputSchema = z.union([
  z.string(),
  counted(10_000, z.array(inputItemSchema).min(1).max(10_000)),
]);

export type InputItem = z.infer<typeof inputItemSchema>;
export type Input = z.infer<typeof inputSchema>;

/** An entry that names what was said before instead of saying it again. */
export const isReference = ({ type, role, content }: InputItem): boolean =>
  type === 'item_reference' || (type === undefined && role === undefined && content === undefined);

/** What tools did that only OpenAI's servers run: it was said in the answer that followed. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'web_search_call',
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
  'tool_search_call',
  'tool_search_output',
  'mcp_list_tools',
  'mcp_call',
  'mcp_approval_request',
  'mcp_approval_response',
]);

/** The conversation of a response's `input`, as chat completions have it. @throws SluiceError bad_frame */
export const messagesOfInput = (input: Input): ChatMessage[] => {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const conversation: Conversation = { messages: [], thought: {} };
  for (const [index, item] of input.entries()) addItem(conversation, item, `input.${index}`);
  return conversation.messages;
};

type Conversation = {
  readonly messages: ChatMessage[];
  /** what the server wants back with the next message of the assistant */
  thought: object;
};

const addItem = (conversation: Conversation, item: InputItem, at: string): void => {
  const { messages } = conversation;
  const type = item.type ?? 'message';
  switch (type) {
    case 'message':
      messages.push(thoughtful(conversation, messageOf(item, at)));
      return;
    case 'function_call':
      addCall(conversation, callOf(item, 'arguments', at));
      return;
    case 'custom_tool_call':
      addCall(conversation, callOf(item, 'input', at));
      return;
    case 'function_call_output':
    case 'custom_tool_call_output':
      messages.push({
        role: 'tool',
        tool_call_id: need(item.call_id, `${at}.call_id`),
        content: chatContentOf(need(item.output, `${at}.output`), `${at}.output`),
      });
      return;
    case 'reasoning':
      // Engines take a conversation as it was spoken. Of what they thought they get what they sealed.
      conversation.thought = { ...conversation.thought, ...fieldsInEncrypted(item['encrypted_content']) };
      return;
    default:
      if (LEFT_OUT.has(type)) return;
      throw wrong(
        `${at}.type`,
        'expected `message`, `item_reference`, or a `function_call`, a `custom_tool_call` or the output of one',
      );
  }
};

const messageOf = ({ role, content }: InputItem, at: string): ChatMessage => {
  const speaker = need(role, `${at}.role`);
  return {
    // Chat templates know no developer.
    role: speaker === 'developer' ? 'system' : speaker,
    content: chatContentOf(need(content, `${at}.content`), `${at}.content`),
  };
};

const callOf = (item: InputItem, field: 'arguments' | 'input', at: string): object => {
  const name = need(item.name, `${at}.name`);
  const group = item.namespace === undefined || item.namespace === null ? {} : { namespace: item.namespace };
  const given = need(item[field], `${at}.${field}`);
  return {
    ...fieldsInCall(item),
    id: need(item.call_id, `${at}.call_id`),
    type: 'function',
    function: {
      name: engineNameOf({ name, ...group }),
      arguments: field === 'input' ? argumentsOfInput(given) : given,
    },
  };
};

/** A message with what was thought before it; what somebody else answers was not thought of by the assistant. */
const thoughtful = (conversation: Conversation, message: ChatMessage): ChatMessage => {
  const { thought } = conversation;
  conversation.thought = {};
  return message.role === 'assistant' ? { ...thought, ...message } : message;
};

/** Calls follow what was said before them in the same message. */
const addCall = (conversation: Conversation, call: object): void => {
  const { messages } = conversation;
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    messages.push(thoughtful(conversation, { role: 'assistant', content: null, tool_calls: [call] }));
    return;
  }
  const earlier = (last['tool_calls'] ?? []) as readonly unknown[];
  messages[messages.length - 1] = thoughtful(conversation, { ...last, tool_calls: [...earlier, call] });
};

const need = <Value>(value: Value | null | undefined, field: string): Value => {
  if (value === null || value === undefined) throw wrong(field, 'expected, got none');
  return value;
};
