import { SimulatedEngine } from '@sluice/simulator';
import type { Engine, EngineRequest, EngineRun } from '@sluice/core';

/**
 * A simulated engine that says no more than a test lets it: what happens in mid-answer does not depend on
 * how fast the machine is. A gate is named by the text of the last user message; without one all is said.
 */
export class GatedEngine implements Engine {
  readonly name = 'gated';
  readonly #engine = new SimulatedEngine({ tokensPerSecond: 0, ttftMs: 0, source: 'ngram' });
  readonly #gates = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  /** Lets an answer grow to so many tokens; Infinity: to its end. */
  open(gate: string, tokens: number): void {
    this.#gates.set(gate, tokens);
    for (const wake of this.#waiting) wake();
  }

  models(signal: AbortSignal): Promise<readonly string[]> {
    return this.#engine.models(signal);
  }

  canContinue(): boolean {
    return true;
  }

  async *generate(request: EngineRequest, signal: AbortSignal): EngineRun {
    const gate = String(request.messages.findLast(({ role }) => role === 'user')?.content);
    const run = this.#engine.generate(request, signal);
    for (let said = request.prefix.length; ; said += 1) {
      while (said >= (this.#gates.get(gate) ?? Infinity)) await this.#change(signal);
      const step = await run.next();
      if (step.done === true) return step.value;
      yield step.value;
    }
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  /** Resolves when a gate has moved. @throws the signal's reason */
  async #change(signal: AbortSignal): Promise<void> {
    let wake = (): void => {};
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      if (signal.aborted) resolve();
    });
    this.#waiting.delete(wake);
    signal.removeEventListener('abort', wake);
    signal.throwIfAborted();
  }
}
