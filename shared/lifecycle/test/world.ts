import { randomUUID } from 'node:crypto';
import { createMemoryBus, createMemoryHub, createNatsBus, hubContent } from '@sluice/bus';
import type { Bus, PromptEntry } from '@sluice/bus';
import { ChunkWriter } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { End, GenerationKey } from '@sluice/protocol';
import { startNatsServer, storedContent } from '@sluice/testkit';

export type Backend = {
  readonly name: string;
  start(): Promise<{
    readonly bus: Bus;
    /** all that is stored, as text */
    content(): Promise<string>;
    stop(): Promise<void>;
  }>;
};

/** The contract of a life holds over each of these. */
export const backends: readonly Backend[] = [
  {
    name: 'memory',
    start: () => {
      const hub = createMemoryHub();
      const content = (): Promise<string> => Promise.resolve(hubContent(hub));
      return Promise.resolve({ bus: createMemoryBus(hub), content, stop: () => Promise.resolve() });
    },
  },
  {
    name: 'nats',
    start: async () => {
      const server = await startNatsServer();
      const bus = await createNatsBus({ url: server.url, name: 'lifecycle' });
      return {
        bus,
        content: () => storedContent(server.url),
        stop: async () => {
          await bus.close();
          await server.stop();
        },
      };
    },
  },
];

export const newKey = (): GenerationKey => ({
  org: parseOrg('acme'),
  session: parseSessionId(randomUUID()),
  generation: parseGenerationId(randomUUID()),
});

/** Each test has a model of its own, so that nobody else takes its jobs. */
export const entryOf = (model: string, hash = 'h'): PromptEntry => ({
  hash,
  user: 'ann',
  createdAt: 1,
  body: { input: 'go', model },
});

export const itemOf = async (bus: Bus, key: GenerationKey): Promise<StoredGeneration> => {
  const item = (await bus.sessions.item(key, key.generation))?.item;
  if (item?.kind !== 'generation') throw new Error('expected a generation');
  return item;
};

/** Attempts that jobs in the model's queue ask for; takes them. */
export const jobsOf = async (bus: Bus, model: string): Promise<number[]> => {
  const attempts: number[] = [];
  for (;;) {
    const delivery = await bus.jobs.pull(model, 300, new AbortController().signal);
    if (delivery === undefined) return attempts;
    attempts.push(delivery.job.attempt);
    await delivery.ack();
  }
};

/** Stores tokens as an attempt would. */
export const write = async (
  bus: Bus,
  key: GenerationKey,
  attempt: number,
  { tokens = [], end }: { readonly tokens?: readonly string[]; readonly end?: End },
): Promise<void> => {
  const head = await bus.tokens.head(key);
  const writer = new ChunkWriter(attempt, head?.record.epoch ?? 0, head);
  const outcome = await bus.tokens.append(key, writer.draft(tokens, 1, end).draft);
  if (outcome.type !== 'stored') throw new Error(`expected stored, got ${outcome.type}`);
};

/** The bus whose next successful write of an item loses its answer. */
export const losingAnswer = (bus: Bus): Bus => {
  let isLost = false;
  const updateItem: Bus['sessions']['updateItem'] = async (...args) => {
    const rev = await bus.sessions.updateItem(...args);
    if (rev === undefined || isLost) return rev;
    isLost = true;
    throw new Error('the answer was lost');
  };
  return { ...bus, sessions: { ...bus.sessions, updateItem } };
};

/** Tried once more if it fails. */
export const repeated = <Value>(work: () => Promise<Value>): Promise<Value> => work().catch(work);

/** The bus where this prompt is stored, whatever was. */
export const withPrompt = (bus: Bus, known: PromptEntry | undefined): Bus => {
  const createPrompt: Bus['sessions']['createPrompt'] = (_key, entry) =>
    Promise.resolve({ created: known === undefined, entry: known ?? entry });
  return { ...bus, sessions: { ...bus.sessions, createPrompt } };
};
