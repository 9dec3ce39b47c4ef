import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { createEdge } from '@sluice/edge';
import { silentLogger } from '@sluice/runtime';
import { EDGE_DEFAULTS } from '../support/system.ts';
import type { SeededRandom } from '@sluice/testkit';

/** A bus that treats an edge worse than NATS does. */
export type Shim = (bus: Bus, random: SeededRandom, edge: number) => Bus;

export type ShimmedEdges = { readonly urls: readonly string[]; close(): Promise<void> };

type Options = {
  readonly natsUrl: string;
  readonly replicas: number;
  readonly edges: number;
  readonly shim: Shim;
  readonly random: SeededRandom;
};

/** Edges in this process, on NATS, but with a shim between: what no proxy can do to single records. */
export const openShimmedEdges = async (options: Options): Promise<ShimmedEdges> => {
  const { natsUrl: url, replicas, edges, shim, random } = options;
  const opened = await Promise.all(
    Array.from({ length: edges }, async (_, index) => {
      const name = `edge-${index}`;
      const bus = await createNatsBus({ url, name, replicas });
      const deps = { bus: shim(bus, random, index), logger: silentLogger };
      const edge = await createEdge({ ...EDGE_DEFAULTS, name }, deps);
      const close = async (): Promise<void> => {
        await edge.close();
        await bus.close();
      };
      return { url: `ws://127.0.0.1:${edge.port}/v1/ws`, close };
    }),
  );
  return {
    urls: opened.map((edge) => edge.url),
    close: async () => void (await Promise.all(opened.map((edge) => edge.close()))),
  };
};
