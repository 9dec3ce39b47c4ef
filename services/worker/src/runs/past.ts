import type { Bus, StoredItem } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId } from '@sluice/protocol';
import type { ChatMessage, SessionKey } from '@sluice/protocol';

/** What a final item adds to a conversation. */
export type Turn = {
  readonly id: string;
  readonly isRun: boolean;
  readonly rev: number;
  readonly createdAt: number;
  /** nothing where it is larger than all of the budget */
  readonly said: readonly ChatMessage[];
  /** of their JSON */
  readonly bytes: number;
};

/** The end of a session as it was read: all final items with `rev` or less, but for the oldest. */
export type Past = {
  readonly rev: number;
  /** newest first */
  readonly turns: readonly Turn[];
  /** by id, those that were not final */
  readonly open: ReadonlyMap<string, StoredGeneration>;
  /** how many items there are before */
  readonly older: number;
};

/** Whether the turns that `counts` are more than fit, so that what is older does not matter. */
export const isEnough = (
  { turns, older }: Past,
  counts: (turn: Turn) => boolean,
  maxBytes: number,
): boolean => older === 0 || bytesOf(turns.filter(counts), maxBytes) > maxBytes;

/** A turn above all of the budget is passed over: no other would ever fit. */
const bytesOf = (turns: readonly Turn[], maxBytes: number): number =>
  turns.reduce((sum, { bytes }) => sum + (bytes > maxBytes ? 0 : bytes), 0);

/** How a session's items become turns. */
export type Reading = { readonly bus: Bus; readonly key: SessionKey; readonly maxBytes: number };

/** Reads from the newest item back until there is enough. @throws BusUnavailableError */
export const readPast = async (reading: Reading, counts: (turn: Turn) => boolean): Promise<Past> => {
  const turns: Turn[] = [];
  const open = new Map<string, StoredGeneration>();
  let past: Past = { rev: 0, turns, open, older: 0 };
  for await (const { items, older } of reading.bus.sessions.backward(reading.key)) {
    for (const [index, stored] of items.entries()) {
      await sort(stored, { open, turns }, reading);
      past = { ...past, rev: Math.max(past.rev, stored.rev), older: older + items.length - index - 1 };
      // Looked at after each: the text of the next may be large, and has to be fetched.
      if (isEnough(past, counts, reading.maxBytes)) return past;
    }
  }
  return past;
};

/** The same with what has changed since. @throws BusUnavailableError */
export const readOn = async (reading: Reading, past: Past): Promise<Past> => {
  const open = new Map(past.open);
  const newer: Turn[] = [];
  const erased = new Set<string>();
  let { rev } = past;
  for (let more = true; more;) {
    const page = await reading.bus.sessions.items(reading.key, rev);
    for (const stored of page.items) {
      open.delete(stored.item.id);
      await sort(stored, { open, turns: newer }, reading);
    }
    for (const { id } of page.erased) erased.add(id);
    ({ rev, more } = page);
  }
  for (const id of erased) open.delete(id);
  const turns = [...newer.toReversed(), ...past.turns].filter(({ id }) => !erased.has(id));
  return { ...past, rev, open, turns };
};

/** Without the oldest turns, as far as there is enough of later ones. */
export const trimmed = (past: Past, maxBytes: number): Past => {
  const turns = [...past.turns];
  let bytes = bytesOf(turns, maxBytes);
  for (let last = turns.at(-1); last !== undefined; last = turns.at(-1)) {
    bytes -= bytesOf([last], maxBytes);
    if (bytes <= maxBytes) break;
    turns.pop();
  }
  return { ...past, turns, older: past.older + past.turns.length - turns.length };
};

type Sorted = { readonly open: Map<string, StoredGeneration>; readonly turns: Turn[] };

const sort = async (stored: StoredItem, { open, turns }: Sorted, reading: Reading): Promise<void> => {
  const { item } = stored;
  if (item.kind === 'generation' && item.status !== 'done') open.set(item.id, item);
  else {
    const turn = await readTurn(stored, reading);
    if (turn !== undefined) turns.push(turn);
  }
};

/** With its texts, also those that are apart; those of a turn that would not fit anyhow are not fetched. */
const readTurn = async (stored: StoredItem, reading: Reading): Promise<Turn | undefined> => {
  const { rev, item } = stored;
  const bytes = Object.values(item.bodies ?? {}).reduce((sum, body) => sum + body.bytes, 0);
  if (bytes > reading.maxBytes) {
    const { id, createdAt } = item;
    return { id, isRun: item.kind === 'generation', rev, createdAt, said: [], bytes };
  }
  const whole = await reading.bus.sessions.whole(reading.key, item);
  // What cannot be read any more was told at the border.
  return whole && turnOf({ rev, item: whole }, reading.key, reading.bus);
};

/** @returns undefined where it says nothing. @throws BusUnavailableError */
export const turnOf = async (
  { rev, item }: StoredItem,
  session: SessionKey,
  bus: Bus,
): Promise<Turn | undefined> => {
  const said = await saidIn(item, session, bus);
  if (said.length === 0) return undefined;
  const bytes = Buffer.byteLength(JSON.stringify(said));
  return { id: item.id, isRun: item.kind === 'generation', rev, createdAt: item.createdAt, said, bytes };
};

/** An item, as the engine gets it. */
const saidIn = async (
  item: StoredItem['item'],
  session: SessionKey,
  bus: Bus,
): Promise<readonly ChatMessage[]> => {
  if (item.kind === 'message') return [{ role: 'user', content: item.text }];
  const { id, input, text = '', toolCalls = [] } = item;
  if (text === '' && toolCalls.length === 0) return [];
  const calls = toolCalls.map(({ id: call, name, arguments: given }) => ({
    ...{ id: call, type: 'function', function: { name, arguments: given } },
  }));
  const answer = {
    ...{ role: 'assistant', content: text === '' ? null : text },
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  if (input !== '') return [{ role: 'user', content: input }, answer];
  const prompt = await bus.sessions.prompt({ ...session, generation: parseGenerationId(id) });
  return [...askedLast(prompt?.body.messages ?? []), answer];
};

/** What was new in a conversation: the results of the newest calls, or a question without a text. */
const askedLast = (messages: readonly ChatMessage[]): readonly ChatMessage[] => {
  if (messages.at(-1)?.role !== 'tool') return messages.slice(-1);
  return messages.slice(messages.findLastIndex(({ role }) => role !== 'tool') + 1);
};
