import type { ChatMessage } from '@sluice/protocol';

/** Roles whose lines may follow each other in no template; `tool` answers a call and stays where it is. */
const MERGED: ReadonlySet<unknown> = new Set(['user', 'assistant']);

/**
 * Neighbouring lines of one role as one, for templates in which user and assistant must take turns. Where several people
 * speak in a merged line, each says who he is.
 */
export const alternating = (messages: readonly ChatMessage[]): readonly ChatMessage[] => {
  const groups: ChatMessage[][] = [];
  for (const message of messages) {
    const last = groups.at(-1);
    if (last?.[0] !== undefined && isMergeable(last[0], message)) last.push(message);
    else groups.push([message]);
  }
  return groups.map((group) => (group.length === 1 ? (group[0] as ChatMessage) : merged(group)));
};

const isMergeable = (one: ChatMessage, other: ChatMessage): boolean =>
  one.role === other.role && MERGED.has(one.role) && !hasCalls(one) && !hasCalls(other);

const hasCalls = ({ tool_calls: calls }: ChatMessage): boolean => Array.isArray(calls) && calls.length > 0;

const merged = (group: readonly ChatMessage[]): ChatMessage => {
  const [first] = group;
  const names = new Set(group.map(({ name }) => name));
  const isNamed = names.size > 1;
  const parts = group.flatMap((message) => partsOf(message, isNamed));
  const texts = parts.map((part) => (typeof part === 'string' ? part : undefined));
  const content = texts.every((text) => text !== undefined) ? texts.join('\n\n') : parts.map(partOf);
  const { name: _, ...rest } = first as ChatMessage;
  return { ...rest, ...(isNamed || first?.name === undefined ? {} : { name: first.name }), content };
};

/** Texts as they are, everything else as the part it is. */
const partsOf = ({ content, name }: ChatMessage, isNamed: boolean): readonly unknown[] => {
  const said = isNamed && typeof name === 'string' ? `${name}: ` : '';
  if (typeof content === 'string') return [`${said}${content}`];
  if (!Array.isArray(content)) return [];
  return said === '' ? content : [said.trimEnd(), ...(content as readonly unknown[])];
};

const partOf = (part: unknown): unknown => (typeof part === 'string' ? { type: 'text', text: part } : part);
