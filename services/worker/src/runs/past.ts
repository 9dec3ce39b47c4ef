import type { Bus, StoredItem } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { answerMessageOf } from '@sluice/core/parts';
import { parseGenerationId } from '@sluice/protocol';
import type { ChatMessage, SessionKey } from '@sluice/protocol';

/** What a final item adds to a conversation. */
export type Turn = {
  readonly id: string;
  readonly isRun: boolean;
  readonly rev: number;
  readonly createdAt: number;
  /** that answered; undefined: nobody did */
  readonly model: string | undefined;
  /** nothing where it is larger than all of the budget */
  readonly said: readonly ChatMessage[];
  /** the same without the fields that only its model's server understands; undefined: there are none */
  readonly plain?: readonly ChatMessage[] | undefined;
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
    return { ...namedTurn(stored), said: [], bytes };
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
  const named = namedTurn({ rev, item });
  if (item.kind === 'message') return sized({ ...named, said: [{ role: 'user', content: item.text }] });
  const answer = answerMessageOf(item);
  if (answer === undefined) return undefined;
  const asked = await askedIn(item, session, bus);
  const { parts, ...rest } = item;
  const plain = parts === undefined ? undefined : answerMessageOf(rest);
  return sized({ ...named, said: [...asked, answer], plain: plain && [...asked, plain] });
};

const sized = (turn: Omit<Turn, 'bytes'>): Turn => ({
  ...turn,
  bytes: Buffer.byteLength(JSON.stringify(turn.said)),
});

const namedTurn = ({ rev, item }: StoredItem): Omit<Turn, 'said' | 'bytes'> => {
  const { id, createdAt } = item;
  const isRun = item.kind === 'generation';
  return { id, isRun, rev, createdAt, model: isRun ? item.model : undefined };
};

/** What a turn says to a model: what a server wants back with its answer is for the model that gave it. */
export const saidTo = (model: string, { model: ofTurn, said, plain = said }: Turn): readonly ChatMessage[] =>
  ofTurn === model ? said : plain;

/** What a generation was asked. */
const askedIn = async (
  { id, input }: StoredGeneration,
  session: SessionKey,
  bus: Bus,
): Promise<readonly ChatMessage[]> => {
  if (input !== '') return [{ role: 'user', content: input }];
  const prompt = await bus.sessions.prompt({ ...session, generation: parseGenerationId(id) });
  return askedLast(prompt?.body.messages ?? []);
};

/** What was new in a conversation: the results of the newest calls, or a question without a text. */
const askedLast = (messages: readonly ChatMessage[]): readonly ChatMessage[] => {
  if (messages.at(-1)?.role !== 'tool') return messages.slice(-1);
  return messages.slice(messages.findLastIndex(({ role }) => role !== 'tool') + 1);
};
