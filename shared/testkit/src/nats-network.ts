import { startFaultProxy } from './fault-proxy.ts';
import type { FaultProxy } from './fault-proxy.ts';

/** Nobody listens there: what one server tells others of its address leads nowhere, and so around no cut. */
const NO_ADDRESS = '127.0.0.1:1';

/** Which bytes are lost between an isolated server and all others: its own, theirs, or all. */
export type Isolation = 'both' | 'in' | 'out';

type Wire = { readonly from: number; readonly to: number; readonly proxy: FaultProxy };

/**
 * The network between the servers of a cluster. Every server reaches every other one through a fault proxy
 * of that pair alone, so that any server can be cut off in either direction, silently, as by a dead switch.
 */
export class NatsNetwork {
  readonly #wires: readonly Wire[];

  private constructor(wires: readonly Wire[]) {
    this.#wires = wires;
  }

  /** @param ports where the servers listen for each other, in order */
  static async open(ports: readonly number[]): Promise<NatsNetwork> {
    const servers = [...ports.keys()];
    const pairs = servers.flatMap((from) => servers.map((to) => ({ from, to }))).filter(isPair);
    const wire = async ({ from, to }: Pick<Wire, 'from' | 'to'>): Promise<Wire> => {
      const target = { host: '127.0.0.1', port: ports[to] as number };
      return { from, to, proxy: await startFaultProxy({ target }) };
    };
    return new NatsNetwork(await Promise.all(pairs.map(wire)));
  }

  /** What a server's `cluster` block says to reach the others through this network only. */
  configOf(server: number): string {
    const routes = this.#wires
      .filter(({ from }) => from === server)
      .map(({ proxy }) => `"${proxy.url('nats')}"`);
    return `routes: [${routes.join(', ')}], advertise: "${NO_ADDRESS}", no_advertise: true`;
  }

  /** Loses what a server says to the others (`out`), what they say to it (`in`), or both, until {@link heal}. */
  isolate(server: number, isolation: Isolation = 'both'): void {
    for (const { from, to, proxy } of this.#wires) {
      if (from === server) proxy.blackhole(ASKING[isolation]);
      if (to === server) proxy.blackhole(ANSWERING[isolation]);
    }
  }

  heal(): void {
    for (const { proxy } of this.#wires) proxy.blackhole('none');
  }

  async close(): Promise<void> {
    await Promise.all(this.#wires.map(({ proxy }) => proxy.close()));
  }
}

const isPair = ({ from, to }: Pick<Wire, 'from' | 'to'>): boolean => from !== to;

/** On the wires that a server opened, its own bytes go up; on those opened to it, they come down. */
const ASKING = { both: 'both', out: 'up', in: 'down' } as const;
const ANSWERING = { both: 'both', out: 'down', in: 'up' } as const;
