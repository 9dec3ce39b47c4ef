import { isDeepStrictEqual } from 'node:util';
import type { StoredGeneration } from '@sluice/core';
import type { TokenRecord } from '@sluice/protocol';
import { ClauseFailure, NotChecked, demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import { chunksOf, contentOf, firstBreak, flawOf } from '../record-rules.ts';
import { SHORT } from '../stage.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

/** Tokens that need three chunks. */
const THREE_CHUNKS = 80;
const QUIET_MS = 1_000;

/** The records of a generation that ran to its end. @throws NotChecked when there is none of its own */
const recordsOf = (generation: StagedGeneration, least: number): readonly TokenRecord[] => {
  if (generation.head.seq < least)
    throw new NotChecked(
      `the answer has ${generation.head.seq} tokens, ${least} are needed: give a --prompt with a longer one`,
    );
  return generation.records;
};

const checkShape = async (stage: Stage): Promise<string> => {
  const generation = await stage.runToEnd(THREE_CHUNKS);
  const [unreadable] = [...stage.target.unreadable].filter((message) => message.startsWith('record: '));
  if (unreadable !== undefined) throw new ClauseFailure('records as in docs/PROTOCOL.md', unreadable);
  const records = recordsOf(generation, 1);
  for (const record of records) {
    const flaw = flawOf(record, generation.item.attempt);
    if (flaw !== undefined) throw new ClauseFailure('a record within the limits', flaw);
  }
  return `${records.length} records, all within the limits`;
};

const checkChunks = async (stage: Stage): Promise<string> => {
  const generation = await stage.runToEnd(THREE_CHUNKS);
  const broken = firstBreak(generation.records);
  if (broken !== undefined) throw new ClauseFailure('records that are one log', broken);
  const records = recordsOf(generation, 40);
  const chunks = chunksOf(records);
  const head = await stage.target.bus.tokens.head(generation.key);
  const before = head && (await stage.target.bus.tokens.before(generation.key, head, chunks.length - 1));
  const stored = [...(before ?? []), ...(head === undefined ? [] : [head])];
  demand(
    stored.length === chunks.length &&
      stored.every(({ chunk, record }, at) => chunk === at && isDeepStrictEqual(record, chunks[at])),
    `the last record of each chunk under its number, 0 to ${chunks.length - 1}`,
    stored.length === 0
      ? 'none'
      : `what leads up to the head in ${stored.map(({ chunk }) => chunk).join(', ')}`,
  );
  return `${chunks.length} chunks tile 1 to ${generation.head.seq}`;
};

const checkEnd = async (stage: Stage): Promise<string> => {
  const generation = await stage.runToEnd(SHORT);
  const { records } = generation;
  await generation.until(() => false, QUIET_MS);
  const ends = records.filter(({ end }) => end !== undefined).length;
  demand(ends === 1, 'one record with `end`', `${ends} in ${records.length} records`);
  const end = records.at(-1)?.end;
  if (end === undefined) throw new ClauseFailure('nothing after the record with `end`', 'more records');
  return `end ${end.reason}, in the last of ${records.length} records`;
};

/** What a worker may add. */
const FOR_THE_LEDGER: readonly (keyof StoredGeneration)[] = ['gpuMs', 'savedTokens', 'endedAt'];

const checkItem = async (stage: Stage): Promise<string> => {
  const generation = await stage.runToEnd(THREE_CHUNKS);
  const { item, records, versions } = generation;
  const first = versions[0]?.item;
  const wanted = { ...first, ...contentOf(records), status: 'done', attempt: item.attempt };
  const fields = new Set([...Object.keys(wanted), ...Object.keys(item)]) as Set<keyof StoredGeneration>;
  const wrong = [...fields].filter(
    (field) => !FOR_THE_LEDGER.includes(field) && !isDeepStrictEqual(item[field], wanted[field]),
  );
  demand(
    wrong.length === 0,
    'the item to say what the log says, and no `worker`',
    `other ${wrong.join(', ')}`,
  );
  return `done with ${item.seq} tokens, as the log has them`;
};

const checkEndedLog = async (stage: Stage): Promise<string> => {
  const generation = await stage.prepare({ item: { attempt: 1 } });
  await generation.append(1, ['It ', 'was ', 'said ', 'already.'], { reason: 'stop' });
  await generation.expect('the log that was just written', () => generation.head.seq === 4);
  await generation.enqueue();
  const { text, reason, seq } = await generation.expectDone();
  demand(
    text === 'It was said already.' && reason === 'stop' && seq === 4,
    'the item done with the text of the log',
    `${seq} tokens, reason ${reason}`,
  );
  demand(generation.records.length === 1, 'no record after the end', generation.describe());
  return 'the item was finished from the log, the engine left alone';
};

export const RECORDS: readonly Clause[] = [
  {
    id: 'W14',
    title: 'The record',
    advice: 'see `TokenRecord` in docs/PROTOCOL.md; at most 32 tokens, `at` in ms, the attempt of your claim',
    check: checkShape,
  },
  {
    id: 'W15',
    title: 'Chunks',
    advice: 'repeat the chunk so far, under its number; a new one has base = the head and the next number',
    check: checkChunks,
  },
  {
    id: 'W16',
    title: 'The end record',
    advice: 'put `end` into the last record, or into one more, once; publish nothing after it is stored',
    check: checkEnd,
  },
  {
    id: 'W17',
    title: 'The finished item',
    advice:
      'after the end is stored: status done, the end’s fields, text, epoch and seq of the log, no worker',
    check: checkItem,
  },
  {
    id: 'W18',
    title: 'A log that has its end',
    advice: 'when the head you read at the claim has `end`, write the item from the log and ack the job',
    check: checkEndedLog,
  },
  {
    id: 'W19',
    title: 'Limits',
    unseen: 'no prompt makes every model write half a megabyte, or a token of 16 KB',
  },
  {
    id: 'W20',
    title: 'An engine that fails',
    unseen: 'nobody outside can make your engine fail',
  },
];
