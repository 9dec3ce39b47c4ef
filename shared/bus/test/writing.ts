import { setTimeout as pause } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { ChunkWriter, isSameRecord, onHeadFinding, onPublishOutcome, publishStarted } from '@sluice/core';
import type { Draft, HeadFinding } from '@sluice/core';
import { MAX_CHUNK_TOKENS, headOf, parseRecord } from '@sluice/protocol';
import type { GenerationKey, StoredRecord, Token } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { connect } from 'nats';
import { BusUnavailableError, readChain, tokensOf } from '../src/index.ts';
import type { TokenLog } from '../src/index.ts';
import { chunkOfSubject, chunkSubject } from '../src/subjects.ts';

export type Written = { readonly unknown: number; readonly fenced: boolean };

/** What a worker does: writes each token as a record of its own, driven by core's state machine. */
export const writeTokens = async (
  log: TokenLog,
  key: GenerationKey,
  tokens: readonly Token[],
  onStored: (count: number) => void = () => undefined,
): Promise<Written> => {
  const writer = new ChunkWriter(1);
  let unknown = 0;
  for (const [index, token] of tokens.entries()) {
    const { draft } = writer.draft([token], index);
    const sequence = await writeRecord(log, key, draft, () => (unknown += 1));
    if (sequence === undefined) return { unknown, fenced: true };
    writer.stored(sequence);
    onStored(index + 1);
  }
  return { unknown, fenced: false };
};

/** One record, through whatever election: its sequence, or undefined when it is fenced. */
export const writeRecord = async (
  log: TokenLog,
  key: GenerationKey,
  draft: Draft,
  onUnknown: () => void = () => undefined,
): Promise<number | undefined> => {
  for (let state = publishStarted(performance.now()); ;) {
    const outcome = await log.append(key, draft);
    if (outcome.type === 'unknown') onUnknown();
    let step = onPublishOutcome(state, outcome, performance.now());
    if (step.action.type === 'read_head')
      step = onHeadFinding(step.state, await findHead(log, key, draft), performance.now());
    state = step.state;
    if (step.action.type === 'fenced') return undefined;
    if (step.action.type === 'advance') return step.action.sequence;
    if (step.action.type !== 'retry') throw new Error(`unexpected ${JSON.stringify(step.action)}`);
    await pause(step.action.afterMs);
  }
};

const findHead = async (log: TokenLog, key: GenerationKey, draft: Draft): Promise<HeadFinding> => {
  const head = await answered(() => log.head(key));
  if (head !== undefined && isSameRecord(draft, head)) return { type: 'ours', sequence: head.sequence };
  return { type: (head?.sequence ?? 0) <= draft.expected ? 'previous' : 'newer' };
};

/** What a read comes to, through whatever election. */
export const answered = async <Answer>(read: () => Promise<Answer>): Promise<Answer> => {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      await pause(100);
    }
  }
};

/** The text as a reader gets it. */
export const readTokens = async (log: TokenLog, key: GenerationKey): Promise<Token[]> => {
  const head = await log.head(key);
  if (head === undefined) return [];
  const chain = await readChain(log, key, head, 0);
  if (!chain.complete) throw new Error(`expected every chunk up to ${head.chunk}, some are missing`);
  return tokensOf(chain);
};

/** What the stream holds of one generation, as far as its tokens are numbered: the last record of each chunk. */
export const chunksOf = (stored: readonly Scanned[], key: GenerationKey): (readonly [number, number])[] =>
  stored
    .filter(({ chunk, subject }) => subject === chunkSubject(0, key, chunk))
    .map(({ chunk, record }) => [chunk, headOf(record)]);

/** What it should hold once `count` tokens were written from the beginning, by whatever detours. */
export const chunksFor = (count: number): (readonly [number, number])[] =>
  Array.from({ length: Math.ceil(count / MAX_CHUNK_TOKENS) }, (_, chunk) => [
    chunk,
    Math.min(count, (chunk + 1) * MAX_CHUNK_TOKENS),
  ]);

export type Scanned = StoredRecord & { readonly subject: string };

/** Every stored record, in stream order, by an ordinary JetStream consumer: the oracle. */
export const scanTokens = async (url: string): Promise<Scanned[]> => {
  const nc = await connect({ servers: url });
  try {
    const info = async () => (await jetstreamManager(nc, { timeout: 1_000 })).streams.info('TOKENS');
    // After a failover JetStream may still be electing.
    const { state } = await waitFor(info, { what: 'JetStream to answer', timeoutMs: 20_000 });
    const found: Scanned[] = [];
    if (state.messages === 0) return found;
    const consumer = await jetstream(nc).consumers.get('TOKENS');
    for await (const message of await consumer.consume()) {
      const { seq: sequence, subject } = message;
      found.push({
        sequence,
        subject,
        chunk: chunkOfSubject(subject) ?? -1,
        record: parseRecord(message.string()),
      });
      if (sequence === state.last_seq) break;
    }
    return found;
  } finally {
    await nc.close();
  }
};
