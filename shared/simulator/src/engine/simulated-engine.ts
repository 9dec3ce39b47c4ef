import type { Token } from '@sluice/protocol';
import { setMaxListeners } from 'node:events';
import { EngineError } from '@sluice/core';
import type { Engine, EngineEnd, EngineRequest, EngineRun } from '@sluice/core';
import { simulatorClock } from './simulator-clock.ts';
import type { SimulatorClock } from './simulator-clock.ts';
import { Pacer } from './pacer.ts';
import { dueAfterMs } from './schedule.ts';
import { DEFAULT_PREFILL, Prefill, Reading } from './prefill.ts';
import type { PrefillSettings } from './prefill.ts';
import { DEFAULT_SIMULATED_SETTINGS, settingsFor } from './settings.ts';
import type { SimulatedSettings } from './settings.ts';
import { ScriptLibrary } from './script.ts';
import type { Script } from './script.ts';

export type SimulatedOptions = Partial<SimulatedSettings & PrefillSettings> & {
  /** Default `['simulated']` */
  readonly models?: readonly string[];
  /** Default: the system's clock */
  readonly clock?: SimulatorClock;
};

/**
 * A model that needs no GPU. What it says is fixed by seed and conversation, when it says it by its
 * settings. It continues from any prefix with exactly the tokens that would have followed.
 */
export class SimulatedEngine implements Engine {
  readonly name = 'simulated';
  readonly #models: readonly string[];
  readonly #settings: SimulatedSettings;
  readonly #clock: SimulatorClock;
  readonly #library = new ScriptLibrary();
  readonly #pacer: Pacer;
  readonly #prefill: Prefill;
  readonly #closing = new AbortController();

  constructor(options: SimulatedOptions = {}) {
    const { models = ['simulated'], clock = simulatorClock, ...settings } = options;
    this.#models = models;
    this.#settings = { ...DEFAULT_SIMULATED_SETTINGS, ...settings };
    this.#clock = clock;
    this.#pacer = new Pacer(clock);
    this.#prefill = new Prefill({ ...DEFAULT_PREFILL, ...settings });
    // Every run listens; Node's warning at ten is about leaks, and each run takes its listener back.
    setMaxListeners(0, this.#closing.signal);
  }

  async models(signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    return this.#models;
  }

  canContinue(_prefix: readonly Token[]): boolean {
    return true;
  }

  /**
   * All that a run of this request says, without running it.
   * @throws EngineError upstream_rejected when `params.simulated` is out of bounds
   */
  script(request: Pick<EngineRequest, 'messages' | 'params'>): Script {
    return this.#library.script(request, settingsFor(this.#settings, request.params));
  }

  expectedTokens(request: EngineRequest): number | undefined {
    try {
      return this.script(request).length;
    } catch {
      // Settings out of bounds: the run itself says so.
      return undefined;
    }
  }

  async *generate(request: EngineRequest, signal: AbortSignal): EngineRun {
    const started = this.#clock.now();
    const settings = settingsFor(this.#settings, request.params);
    const script = this.#library.script(request, settings);
    const prefix = request.prefix.length;
    const stopping = new AbortController();
    const unlink = follow(stopping, [signal, this.#closing.signal]);
    const pace = this.#pacer.pace(stopping.signal);
    const reading = this.#prefill.isFree
      ? undefined
      : new Reading(this.#prefill, request.messages, request.prefix);
    try {
      const begun = started + (reading?.ms ?? 0);
      for (let seq = prefix + 1; seq <= script.length; seq += 1) {
        await pace.until(begun + dueAfterMs(settings, prefix, seq - prefix - 1));
        this.#misbehave(settings, prefix, seq);
        const token = script.tokenAt(seq);
        reading?.write(token);
        yield token;
      }
      stopping.signal.throwIfAborted();
      return endOf(script, reading);
    } finally {
      reading?.end();
      pace.close();
      unlink();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new EngineError('upstream_unavailable', 'the simulated engine was closed'));
  }

  #misbehave(settings: SimulatedSettings, prefix: number, seq: number): void {
    if (seq === settings.failAtToken)
      throw new EngineError('upstream_rejected', `simulated failure before token ${seq}`);
    if (seq !== settings.crashAtToken || prefix > 0) return;
    throw new EngineError('upstream_unavailable', `simulated crash before token ${seq}`, { isLost: true });
  }
}

/** As OpenAI's usage says it, the cache's share only where there is one. */
const endOf = ({ reason, promptTokens, length }: Script, reading: Reading | undefined): EngineEnd => ({
  reason,
  usage: {
    prompt_tokens: promptTokens,
    completion_tokens: length,
    total_tokens: promptTokens + length,
    ...(reading === undefined
      ? {}
      : { prompt_tokens_details: { cached_tokens: Math.min(promptTokens, reading.cached) } }),
  },
});

/**
 * Aborts `controller` with the first of these. `AbortSignal.any` would keep every run's signal reachable
 * from the engine's for as long as the engine lives; this is taken back when the run ends.
 */
const follow = (controller: AbortController, signals: readonly AbortSignal[]): (() => void) => {
  const taken = signals.map((signal) => {
    const abort = (): void => controller.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    return () => signal.removeEventListener('abort', abort);
  });
  return () => taken.forEach((takeBack) => takeBack());
};
