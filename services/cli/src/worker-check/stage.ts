import { randomUUID } from 'node:crypto';
import type { Bus, Delivery, PromptEntry, WorkerInfo } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { PromptBody, PromptParams } from '@sluice/protocol';
import type { BeatRecord } from './beat-record.ts';
import { NotChecked } from './clause-failure.ts';
import { StagedGeneration } from './staged-generation.ts';

/** What is checked, and what the check may use for it. */
export type Target = {
  readonly bus: Bus;
  readonly beats: BeatRecord;
  readonly org: string;
  readonly model: string;
  /** what models are asked; its answer should be long */
  readonly prompt: string;
  readonly params: PromptParams;
  /** how long what must happen may take, ms */
  readonly timeoutMs: number;
  /** kills one worker process that offers the model; undefined: none may be killed */
  readonly kill: (() => Promise<void>) | undefined;
  /** asks another one to stop */
  readonly stop: (() => Promise<void>) | undefined;
  /** what was wrong with records, beats and entries that could not be read */
  readonly unreadable: ReadonlySet<string>;
};

export type Plan = Pick<PromptBody, 'lead' | 'governor' | 'onAbandon'> & {
  /** `params.max_tokens`; default {@link LONG} */
  readonly maxTokens?: number;
  /** what is asked; default the target's prompt */
  readonly input?: string;
  /** how its item differs from a new one */
  readonly item?: Partial<StoredGeneration>;
};

/** Tokens of an answer that nobody will wait for. */
const LONG = 2_000;
/** Tokens of an answer that is to end soon. */
export const SHORT = 24;
/** A job is tried for so long to come to us and not to a worker, ms. */
const TAKE_MS = 50;
/** A wrong that workers had time for shows within this time, ms. */
const QUIET_MS = 500;

/** Where one clause plays: makes generations, and ends all of them when it is over. */
export class Stage {
  readonly target: Target;
  readonly #generations: StagedGeneration[] = [];

  constructor(target: Target) {
    this.target = target;
  }

  /** A generation whose job is not published yet. */
  async prepare({ maxTokens = LONG, item = {}, ...plan }: Plan = {}): Promise<StagedGeneration> {
    const { bus, org, model, prompt, params, timeoutMs } = this.target;
    const { input = prompt, ...rules } = plan;
    const key = {
      org: parseOrg(org),
      session: parseSessionId(`check-${randomUUID()}`),
      generation: parseGenerationId(randomUUID()),
    };
    const generation = new StagedGeneration({ bus, key, model, timeoutMs });
    await generation.open();
    const createdAt = Date.now();
    const body = { model, input, params: { ...params, max_tokens: maxTokens }, ...rules };
    const entry: PromptEntry = { hash: 'check', user: 'check', createdAt, body };
    await bus.sessions.createPrompt(key, entry);
    await bus.sessions.createItem(key, {
      ...{ id: key.generation, kind: 'generation', user: 'check', createdAt, model, input },
      ...{ governor: rules.governor ?? 'fastest', status: 'queued', attempt: 0, epoch: 0, seq: 0 },
      ...item,
    });
    this.#generations.push(generation);
    await generation.expect('the item that was just made', () => generation.versions.length > 0);
    return generation;
  }

  /** A generation whose job is published. */
  async start(plan: Plan = {}): Promise<StagedGeneration> {
    const generation = await this.prepare(plan);
    await generation.enqueue();
    return generation;
  }

  /** A generation that runs without viewers to its end, which is near. */
  async runToEnd(maxTokens: number): Promise<StagedGeneration> {
    const generation = await this.start({ maxTokens, governor: 'none', onAbandon: 'finish' });
    await generation.expectDone();
    return generation;
  }

  /**
   * Lets workers do what they make of the jobs so far: they run another generation, whose job is behind those, to its
   * end, and have a moment more.
   */
  async letWork(): Promise<void> {
    const other = await this.runToEnd(SHORT);
    await other.until(() => false, QUIET_MS);
  }

  /** Live workers that offer the model. */
  async workers(): Promise<readonly WorkerInfo[]> {
    const all = await this.target.bus.workers.list();
    return all.filter(({ models }) => models.includes(this.target.model));
  }

  /**
   * Takes one of this generation's jobs as another worker would. Which of those that wait gets a job is
   * NATS's choice, so jobs are published until one comes here; the item must be one that workers skip.
   * @throws NotChecked when none comes
   */
  async takeJob(generation: StagedGeneration): Promise<Delivery> {
    const { bus, model, timeoutMs } = this.target;
    const stop = new AbortController();
    const mine = ({ job }: Delivery): boolean => job.generation === generation.key.generation;
    let taken: Delivery | undefined;
    const pull = async (): Promise<void> => {
      while (taken === undefined && !stop.signal.aborted) {
        const delivery = await bus.jobs.pull(model, timeoutMs, stop.signal);
        if (delivery !== undefined && mine(delivery)) taken = delivery;
        else delivery?.nak();
      }
    };
    const pulling = pull();
    const deadline = performance.now() + timeoutMs;
    try {
      for (let attempt = 1; taken === undefined && performance.now() < deadline; attempt += 1) {
        await generation.enqueue(attempt);
        await generation.until(() => taken !== undefined, TAKE_MS);
      }
    } finally {
      stop.abort();
      await pulling;
    }
    if (taken === undefined)
      throw new NotChecked(`workers took all jobs of ${timeoutMs / 1_000} s before us`);
    return taken;
  }

  /** Ends what the clause left behind. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#generations.map((generation) => generation.close()));
  }
}
