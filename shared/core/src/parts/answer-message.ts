import type { Answer, ChatMessage, Part, ToolCall } from '@sluice/protocol';
import { callFieldsOf, reasoningFieldsOf } from './known-part.ts';

/** An answer as it is said to its engine again: a refusal is what the assistant said. undefined: it said nothing. */
export const answerMessageOf = ({
  text = '',
  refusal = '',
  toolCalls = [],
  parts,
}: Partial<Answer>): ChatMessage | undefined => {
  const said = text + refusal;
  if (said === '' && toolCalls.length === 0) return undefined;
  return {
    ...reasoningFieldsOf(parts),
    role: 'assistant',
    content: said === '' ? null : said,
    ...(toolCalls.length === 0 ? {} : { tool_calls: chatCallsOf(toolCalls, parts) }),
  };
};

/** Calls in the words of chat completions, with what the model's server wants back with each. */
export const chatCallsOf = (calls: readonly ToolCall[], parts: readonly Part[] | undefined): object[] => {
  const fields = callFieldsOf(parts);
  return calls.map((call) => ({ ...fields.get(call.id), ...chatCallOf(call) }));
};

const chatCallOf = ({ id, name, arguments: text }: ToolCall): object => ({
  id,
  type: 'function',
  function: { name, arguments: text },
});
