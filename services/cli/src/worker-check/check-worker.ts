import { createNatsBus } from '@sluice/bus';
import type { NatsOptions } from '@sluice/bus';
import type { PromptParams } from '@sluice/protocol';
import { BeatRecord } from './beat-record.ts';
import { CLAUSES } from './clauses/index.ts';
import { commandOf, killOf } from './kill.ts';
import { judgeAll } from './verdict.ts';
import type { Verdict } from './verdict.ts';

export type CheckOptions = {
  readonly nats: NatsOptions;
  readonly model: string;
  readonly org: string;
  readonly prompt: string;
  readonly params: PromptParams;
  /** ids of the clauses to play; default all */
  readonly only?: readonly string[];
  /** seconds that what must happen may take */
  readonly timeout: number;
  readonly pid?: number;
  readonly killCommand?: string;
  readonly stopCommand?: string;
};

/** Clauses at once, if workers have the slots: most of their time is waiting for nothing to happen. */
const MAX_WIDTH = 6;
const MAX_UNREADABLE = 10;

/**
 * Plays the rest of the system against the running workers of a model.
 * @param onVerdict called in the clauses' order, as they come
 * @throws BusUnavailableError, StreamMismatchError, UnsupportedServerError when NATS cannot be used
 */
export const checkWorker = async (
  options: CheckOptions,
  onVerdict: (verdict: Verdict) => void = () => undefined,
): Promise<readonly Verdict[]> => {
  const { nats, only } = options;
  const unreadable = new Set<string>();
  const bus = await createNatsBus(nats);
  bus.border.onForeign(({ kind, reason }) => {
    if (unreadable.size < MAX_UNREADABLE) unreadable.add(`${kind}: ${reason}`);
  });
  const beats = new BeatRecord();
  try {
    await beats.open(bus);
    const slots = (await bus.workers.list())
      .filter(({ models }) => models.includes(options.model))
      .reduce((sum, worker) => sum + worker.slots, 0);
    const { org, model, prompt, params, timeout, killCommand, stopCommand, pid } = options;
    const target = {
      ...{ bus, beats, org, model, prompt, params, unreadable },
      timeoutMs: timeout * 1_000,
      kill: pid === undefined ? commandOf('--kill-command', killCommand) : killOf(pid),
      stop: commandOf('--stop-command', stopCommand),
    };
    const clauses = CLAUSES.filter(({ id }) => only === undefined || only.includes(id));
    const width = Math.max(1, Math.min(MAX_WIDTH, Math.floor(slots / 3) || 1));
    return await judgeAll(clauses, target, { width, onVerdict });
  } finally {
    beats.close();
    await bus.close();
  }
};
