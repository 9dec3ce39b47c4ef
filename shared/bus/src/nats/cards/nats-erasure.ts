import type { JetStreamClient, JetStreamManager, JetStreamPublishOptions } from '@nats-io/jetstream';
import { isId, parseGenerationId, parseItemId } from '@sluice/protocol';
import type { GenerationKey, ItemId, SessionKey } from '@sluice/protocol';
import { ERASED, isErased } from '../../cards/erased.ts';
import { fenceRecord, isFence } from '../../cards/erasure.ts';
import type { Erasure } from '../../cards/erasure.ts';
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
} from '../../subjects.ts';
import type { TokenLog } from '../../token-log.ts';
import { busError, meaningOf } from '../answer.ts';
import { readLast } from '../last-message.ts';
import { retryUnstored, ttlOf } from '../write.ts';

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

export const createNatsErasure = (deps: ErasureDeps): Erasure => {
  const { jsm, replicas, partitions } = deps;
  const subjects = new Subjects(deps.js, jsm);
  return {
    ids: async (key) => {
      const partition = partitionOf(key, partitions);
      const found = await Promise.all([
        subjects.of(SESSIONS, itemSubjects(key)),
        subjects.of(PROMPTS, promptSubjects(key)),
        subjects.of(STREAMS.bodies, bodySubjectsOf(key)),
        subjects.of(tokenStream(partition), sessionChunkSubjects(partition, key)),
      ]);
      const ids = found.flatMap((each, n) => each.map((subject) => subject.split('.')[ID_AT[n] ?? 0]));
      return [...new Set(ids.filter(isId))].map(parseItemId);
    },
    stand: async (key, id) => {
      const message = await readLast(jsm, SESSIONS, itemSubject(key, id), replicas);
      return message && { rev: message.seq, isErased: isErased(message.string()) };
    },
    item: async (key, id, { rev, ttlMs }) => {
      try {
        return await subjects.write(itemSubject(key, id), ERASED, {
          expect: { lastSubjectSequence: rev },
          ...ttlOf(ttlMs),
        });
      } catch (error) {
        if (meaningOf(error) === 'conflict') return undefined;
        throw busError('erasure of an item', error);
      }
    },
    rest: async (key, id, { ttlMs } = {}) => {
      const subject = promptSubject(key, id);
      const prompt = await readLast(jsm, PROMPTS, subject, replicas);
      try {
        if (prompt !== undefined && !isErased(prompt.string()))
          await subjects.write(subject, ERASED, ttlOf(ttlMs));
        await eraseLog(deps, subjects, { key: generationKeyOf(key, id), isRun: prompt !== undefined });
        await subjects.empty(await subjects.of(STREAMS.bodies, bodySubjectsOf(key, id)));
      } catch (error) {
        throw busError('erasure', error);
      }
    },
  };
};

/** Which part of a subject is the id, in the order of the streams that are looked into. */
const ID_AT = [4, 4, 3, 4];

type Log = { readonly key: GenerationKey; readonly isRun: boolean };

const eraseLog = async (
  { tokens, partitions }: ErasureDeps,
  subjects: Subjects,
  { key, isRun }: Log,
): Promise<void> => {
  const partition = partitionOf(key, partitions);
  const all = (): Promise<readonly string[]> =>
    subjects.of(tokenStream(partition), chunkSubjects(partition, key));
  if (!isRun && (await all()).length === 0) return;
  const head = await tokens.head(key);
  const fence = chunkSubject(partition, key, head?.chunk ?? 0);
  if (head === undefined || !isFence(head.record))
    await subjects.write(fence, JSON.stringify(fenceRecord(head)));
  // After the fence: an attempt may have stored more before it.
  await subjects.empty((await all()).filter((subject) => subject !== fence));
};

/** Subjects of streams that keep one message for each. What the library throws is thrown as it is. */
class Subjects {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;

  constructor(js: JetStreamClient, jsm: JetStreamManager) {
    this.#js = js;
    this.#jsm = jsm;
  }

  /** Those that match and hold a message. @throws BusUnavailableError */
  async of(stream: string, pattern: string): Promise<readonly string[]> {
    try {
      const { state } = await this.#jsm.streams.info(stream, { subjects_filter: pattern });
      return Object.keys(state.subjects ?? {});
    } catch (error) {
      throw busError(`look into ${stream}`, error);
    }
  }

  async write(
    subject: string,
    text: string,
    options: Partial<JetStreamPublishOptions> = {},
  ): Promise<number> {
    return (await retryUnstored(() => this.#js.publish(subject, text, options))).seq;
  }

  async empty(subjects: readonly string[]): Promise<void> {
    for (let from = 0; from < subjects.length; from += WRITES_AT_ONCE) {
      const some = subjects.slice(from, from + WRITES_AT_ONCE);
      await Promise.all(some.map((subject) => this.write(subject, ERASED, ttlOf(EMPTY_TTL_MS))));
    }
  }
}

const generationKeyOf = (key: SessionKey, id: ItemId): GenerationKey => ({
  ...key,
  generation: parseGenerationId(id),
});
