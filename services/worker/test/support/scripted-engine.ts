import type { Token } from '@sluice/protocol';
import { Queue } from '@sluice/testkit';
import type { Engine, EngineEnd, EngineRequest, EngineRun } from '@sluice/core';

type Step = { readonly token: Token } | { readonly end: EngineEnd } | { readonly error: Error };

/** An engine that says what the test tells it, when the test tells it. */
export class ScriptedEngine implements Engine {
  readonly name = 'scripted';
  readonly requests: EngineRequest[] = [];
  readonly #steps = new Map<string, Queue<Step>>();
  continues = true;
  /** runs that were told to stop */
  aborts = 0;
  /** tokens handed out */
  taken = 0;

  models(): Promise<readonly string[]> {
    return Promise.resolve(['m']);
  }

  canContinue(): boolean {
    return this.continues;
  }

  say(generation: string, ...tokens: readonly Token[]): void {
    for (const token of tokens) this.#queue(generation).push({ token });
  }

  end(generation: string, end: EngineEnd = { reason: 'stop' }): void {
    this.#queue(generation).push({ end });
  }

  fail(generation: string, error: Error): void {
    this.#queue(generation).push({ error });
  }

  async *generate(request: EngineRequest, signal: AbortSignal): EngineRun {
    this.requests.push(request);
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        this.aborts += 1;
        reject(signal.reason as Error);
        // Lets go of the wait below, and of what was not said.
        this.#queue(request.generation).end(new Error('aborted'));
        this.#steps.delete(request.generation);
      });
    });
    aborted.catch(() => undefined);
    for (;;) {
      const said = this.#queue(request.generation).next(60_000);
      said.catch(() => undefined);
      const step = await Promise.race([said, aborted]);
      if ('error' in step) throw step.error;
      if ('end' in step) return step.end;
      this.taken += 1;
      yield step.token;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #queue(generation: string): Queue<Step> {
    const queue = this.#steps.get(generation) ?? new Queue<Step>();
    this.#steps.set(generation, queue);
    return queue;
  }
}
