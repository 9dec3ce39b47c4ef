import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { isId, parseItemId } from '@sluice/protocol';
import type { GenerationKey, ItemId, SessionKey } from '@sluice/protocol';
import { ERASED, isErased } from '../erased.ts';
import { fenceRecord, isFence } from '../erasure.ts';
import type { Erasure } from '../erasure.ts';
import {
  bodySubjectsOf,
  BUCKETS,
  chunkSubject,
  chunkSubjects,
  itemSubject,
  itemSubjects,
  kvStream,
  partitionOf,
  promptSubject,
  promptSubjects,
  sessionChunkSubjects,
  STREAMS,
  tokenStream,
} from '../subjects.ts';
import type { TokenLog } from '../token-log.ts';
import { busError, meaningOf } from './answer.ts';
import { readLast } from './last-message.ts';
import { retryUnstored, ttlOf } from './write.ts';

const SESSIONS = kvStream(BUCKETS.sessions);
const PROMPTS = kvStream(BUCKETS.prompts);

/** What holds no place needs none: it expires after this long, ms. */
const EMPTY_TTL_MS = 1_000;
/** Subjects that are overwritten at the same time. */
const WRITES_AT_ONCE = 32;

type ErasureDeps = {
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly tokens: Pick<TokenLog, 'head'>;
  readonly replicas: number;
  readonly partitions: number;
};

export const createNatsErasure = ({ js, jsm, tokens, replicas, partitions }: ErasureDeps): Erasure => {
  const publish = async (subject: string, text: string, options: object): Promise<number> => {
    try {
      return (await retryUnstored(() => js.publish(subject, text, options))).seq;
    } catch (error) {
      throw busError('erasure', error);
    }
  };
  const subjectsOf = async (stream: string, pattern: string): Promise<readonly string[]> => {
    try {
      const { state } = await jsm.streams.info(stream, { subjects_filter: pattern });
      return Object.keys(state.subjects ?? {});
    } catch (error) {
      throw busError(`look into ${stream}`, error);
    }
  };
  const empty = async (subjects: readonly string[]): Promise<void> => {
    for (let from = 0; from < subjects.length; from += WRITES_AT_ONCE)
      await Promise.all(
        subjects
          .slice(from, from + WRITES_AT_ONCE)
          .map((subject) => publish(subject, ERASED, ttlOf(EMPTY_TTL_MS))),
      );
  };
  const eraseLog = async (key: GenerationKey, isRun: boolean): Promise<void> => {
    const partition = partitionOf(key, partitions);
    const known = await subjectsOf(tokenStream(partition), chunkSubjects(partition, key));
    if (known.length === 0 && !isRun) return;
    const head = await tokens.head(key);
    const fence = chunkSubject(partition, key, head?.chunk ?? 0);
    if (head === undefined || !isFence(head.record))
      await publish(fence, JSON.stringify(fenceRecord(head)), {});
    // An attempt may have stored more before the fence.
    const found = await subjectsOf(tokenStream(partition), chunkSubjects(partition, key));
    await empty(found.filter((subject) => subject !== fence));
  };
  return {
    ids: async (key) => {
      const partition = partitionOf(key, partitions);
      const found = await Promise.all([
        subjectsOf(SESSIONS, itemSubjects(key)),
        subjectsOf(PROMPTS, promptSubjects(key)),
        subjectsOf(STREAMS.bodies, bodySubjectsOf(key)),
        subjectsOf(tokenStream(partition), sessionChunkSubjects(partition, key)),
      ]);
      const places = [4, 4, 3, 4];
      const ids = found.flatMap((subjects, n) => subjects.map((each) => each.split('.')[places[n] ?? 0]));
      return [...new Set(ids.filter(isId))].map(parseItemId);
    },
    stand: async (key, id) => {
      const message = await readLast(jsm, SESSIONS, itemSubject(key, id), replicas);
      return message && { rev: message.seq, isErased: isErased(message.string()) };
    },
    item: async (key, id, { rev, ttlMs }) => {
      const options = { expect: { lastSubjectSequence: rev }, ...ttlOf(ttlMs) };
      try {
        return (await retryUnstored(() => js.publish(itemSubject(key, id), ERASED, options))).seq;
      } catch (error) {
        if (meaningOf(error) === 'conflict') return undefined;
        throw busError('erasure of an item', error);
      }
    },
    rest: async (key, id, { ttlMs } = {}) => {
      const subject = promptSubject(key, id);
      const prompt = await readLast(jsm, PROMPTS, subject, replicas);
      if (prompt !== undefined && !isErased(prompt.string())) await publish(subject, ERASED, ttlOf(ttlMs));
      await eraseLog(generationKeyOf(key, id), prompt !== undefined);
      await empty(await subjectsOf(STREAMS.bodies, bodySubjectsOf(key, id)));
    },
  };
};

const generationKeyOf = (key: SessionKey, id: ItemId): GenerationKey => ({
  ...key,
  generation: id as GenerationKey['generation'],
});
