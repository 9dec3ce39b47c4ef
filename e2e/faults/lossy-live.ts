import type { TailListener } from '@sluice/bus';
import { headOf } from '@sluice/protocol';
import type { GenerationId, SessionKey, TokenRecord } from '@sluice/protocol';
import { altered } from '@sluice/testkit';
import type { SeededRandom } from '@sluice/testkit';
import type { Shim } from './shimmed-edges.ts';

const MISTREATMENTS = ['pass', 'drop', 'repeat', 'swap', 'delay'] as const;
const MAX_DELAY_MS = 2_000;

/** A record that an edge was not given when it was due. */
export type Missed = {
  readonly edge: number;
  readonly path: string;
  readonly head: number;
  /** ms of `performance.now` */
  readonly at: number;
};

/** Between NATS and edges: loses, repeats, swaps and delays the live records of every generation. */
export class LossyLive {
  readonly missed: Missed[] = [];
  injected = 0;

  readonly shim: Shim = (bus, random, edge) => ({
    ...bus,
    tokens: {
      ...bus.tokens,
      tail: (key, listener) =>
        bus.tokens.tail(key, altered(listener, { record: this.#worse(key, listener, random, edge) })),
    },
  });

  #worse(
    key: SessionKey,
    listener: TailListener,
    random: SeededRandom,
    edge: number,
  ): TailListener['record'] {
    let held: (() => void) | undefined;
    return (generation: GenerationId, record: TokenRecord) => {
      const give = (): void => listener.record(generation, record);
      const before = held;
      held = undefined;
      const mistreatment = random.pick(MISTREATMENTS);
      if (mistreatment !== 'pass') this.injected += 1;
      if (mistreatment !== 'pass' && mistreatment !== 'repeat') {
        const path = `${key.org}.${key.session}.${generation}`;
        this.missed.push({ edge, path, head: headOf(record), at: performance.now() });
      }
      if (mistreatment === 'swap') held = give;
      else if (mistreatment === 'delay') setTimeout(give, random.between(0, MAX_DELAY_MS)).unref();
      else if (mistreatment !== 'drop') give();
      if (mistreatment === 'repeat') give();
      before?.();
    };
  }
}
