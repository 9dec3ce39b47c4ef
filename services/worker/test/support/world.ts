import { createMemoryBus, createMemoryHub } from '@sluice/bus';
import type { Bus, MemoryHub, PromptEntry } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId, parseOrg, parseRecord, parseSessionId } from '@sluice/protocol';
import type { GenerationKey, PromptBody, TokenRecord } from '@sluice/protocol';
import { silentLogger } from '@sluice/runtime';
import type { Clock } from '@sluice/runtime';
import { waitFor } from '@sluice/testkit';
import { createWorker } from '../../src/worker.ts';
import type { Worker } from '../../src/worker.ts';
import { ScriptedEngine } from './scripted-engine.ts';

export const keyOf = (generation: string, org = 'acme'): GenerationKey => ({
  org: parseOrg(org),
  session: parseSessionId('s'),
  generation: parseGenerationId(generation),
});

export const words = (count: number, from = 1): string[] =>
  Array.from({ length: count }, (_, i) => `w${from + i} `);

/** The bus with another way to append. */
export const withAppend = (
  bus: Bus,
  append: (next: Bus['tokens']['append']) => Bus['tokens']['append'],
): Bus => ({
  ...bus,
  tokens: { ...bus.tokens, append: append(bus.tokens.append) },
});

/** A worker with a scripted engine on a bus in memory, and the rest of the system played by the test. */
export class World {
  readonly hub: MemoryHub = createMemoryHub();
  readonly bus: Bus;
  readonly engine = new ScriptedEngine();
  readonly #workers: Worker[] = [];

  constructor({ ackWaitMs = 200 }: { readonly ackWaitMs?: number } = {}) {
    this.bus = createMemoryBus(this.hub, { ackWaitMs });
  }

  async start(
    name = 'w1',
    options: {
      bus?: Bus;
      engine?: ScriptedEngine;
      slots?: number;
      clock?: Clock;
      maxRunMs?: number;
      conversationBytes?: number;
      maxAnswerBytes?: number;
      holdMs?: number;
      /** undefined: those that the engine lists */
      models?: readonly string[] | undefined;
      modelsMs?: number;
    } = {},
  ): Promise<Worker> {
    const { bus = this.bus, engine = this.engine, slots = 4, clock, ...limits } = options;
    const worker = await createWorker(
      { name, slots, models: ['m'], ...limits },
      { bus, engine, logger: silentLogger, ...(clock && { clock }) },
    );
    this.#workers.push(worker);
    return worker;
  }

  async stop(): Promise<void> {
    for (const worker of this.#workers) await worker.close();
  }

  /** Writes prompt, item and job, as an edge does. @param queue where the job is placed. @param org default acme */
  async submit(
    generation: string,
    body: PromptBody = {},
    { queue, org, ...item }: Partial<StoredGeneration> & { queue?: string; org?: string } = {},
    entry: Partial<PromptEntry> = {},
  ): Promise<void> {
    const key = keyOf(generation, org);
    const user = item.user ?? 'ann';
    const model = item.model ?? 'm';
    const full = { ...(body.messages === undefined && { input: 'hi' }), ...body, model };
    await this.bus.sessions.createPrompt(key, { hash: 'h', user, createdAt: 1, body: full, ...entry });
    await this.bus.sessions.createItem(key, {
      id: generation,
      kind: 'generation',
      user,
      createdAt: 1,
      model: 'm',
      input: 'hi',
      governor: 'fastest',
      status: 'queued',
      attempt: 0,
      epoch: 0,
      seq: 0,
      ...item,
    });
    await this.bus.jobs.publish({ ...key, model, attempt: (item.attempt ?? 0) + 1, user }, queue);
  }

  /** As if the jobs published so far had been delivered to a worker that died. */
  forgetJobs(): void {
    this.hub.jobs.clear();
    this.hub.queued.clear();
  }

  async item(generation: string): Promise<StoredGeneration> {
    const key = keyOf(generation);
    const stored = await this.bus.sessions.item(key, key.generation);
    const item = stored && (await this.bus.sessions.whole(key, stored.item));
    if (item?.kind !== 'generation') throw new Error('expected a generation item');
    return item;
  }

  until(generation: string, status: StoredGeneration['status']): Promise<StoredGeneration> {
    return waitFor(
      async () => {
        const item = await this.item(generation);
        return item.status === status ? item : undefined;
      },
      { what: `the item to be ${status}`, timeoutMs: 8_000 },
    );
  }

  /** Every record of a generation, oldest first. */
  records(generation: string): TokenRecord[] {
    return this.hub.log
      .filter(({ subject }) => subject.includes(`.${generation}.`))
      .map(({ text }) => parseRecord(text));
  }

  async head(generation: string): Promise<TokenRecord | undefined> {
    return (await this.bus.tokens.head(keyOf(generation)))?.record;
  }

  /** An edge's word: how far its viewers have processed. */
  ack(generation: string, seq: number, viewers = 1): void {
    this.bus.control.ack(keyOf(generation), { type: 'ack', edge: 'e1', epoch: 0, seq, viewers });
  }
}
