import type { ChatMessage } from '@sluice/protocol';

/**
 * A conversation without calls that nobody carried out, and without results that nobody asked for: engines refuse both.
 * Either may be left where a turn has expired or was too large.
 */
export const wholeCalls = (messages: readonly ChatMessage[]): readonly ChatMessage[] => {
  const whole: ChatMessage[] = [];
  let open: ReadonlySet<unknown> = new Set();
  for (const [at, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (open.has(message['tool_call_id'])) whole.push(message);
      continue;
    }
    const { tool_calls: calls, ...rest } = message;
    const results = resultsAfter(messages, at);
    const kept = Array.isArray(calls) ? calls.filter((call: unknown) => results.has(idOf(call))) : [];
    open = new Set(kept.map(idOf));
    if (kept.length > 0) whole.push({ ...rest, tool_calls: kept });
    else if (calls === undefined) whole.push(message);
    else if (rest.content !== null && rest.content !== undefined) whole.push(rest);
  }
  return whole;
};

const resultsAfter = (messages: readonly ChatMessage[], at: number): ReadonlySet<unknown> => {
  const results = new Set<unknown>();
  for (const message of messages.slice(at + 1)) {
    if (message.role !== 'tool') break;
    results.add(message['tool_call_id']);
  }
  return results;
};

const idOf = (call: unknown): unknown => (call as { readonly id?: unknown } | null)?.id;
