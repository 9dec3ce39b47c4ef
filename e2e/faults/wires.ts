import { startFaultProxy, waitFor } from '@sluice/testkit';
import type { Direction, FaultProxy, NatsServer } from '@sluice/testkit';

/** Nothing listens there: who connects is refused at once. */
const CLOSED_PORT = 1;
const RECONNECT_MS = 10_000;

/** Every service's own way to each NATS server: a fault proxy, so that it can be cut off from all of them. */
export class Wires {
  readonly #servers: readonly NatsServer[];
  readonly #wires = new Map<string, readonly FaultProxy[]>();

  constructor(servers: readonly NatsServer[]) {
    this.#servers = servers;
  }

  /** The NATS addresses that a part (`edge 0`, `worker 1`) is to be given; the same ones every time. */
  async urlOf(part: string): Promise<string> {
    const open = ({ port }: NatsServer): Promise<FaultProxy> =>
      startFaultProxy({ target: { host: '127.0.0.1', port } });
    const wires = this.#wires.get(part) ?? (await Promise.all(this.#servers.map(open)));
    this.#wires.set(part, wires);
    return wires.map((wire) => wire.url('nats')).join(',');
  }

  /** The servers a part has connections to: one that hangs may not have closed its own yet. */
  serversOf(part: string): NatsServer[] {
    const wires = this.#of(part);
    return this.#servers.filter((_server, index) => (wires[index]?.connections ?? 0) > 0);
  }

  /** Has a part connect to one server. */
  async send(part: string, server: NatsServer): Promise<void> {
    const wires = this.#of(part);
    for (const [index, wire] of wires.entries()) {
      const { port } = this.#servers[index] as NatsServer;
      wire.setTarget({ host: '127.0.0.1', port: this.#servers[index] === server ? port : CLOSED_PORT });
      if (this.#servers[index] !== server) wire.cutAll();
    }
    const what = `${part} to connect to ${server.url}`;
    await waitFor(() => this.serversOf(part).includes(server), { what, timeoutMs: RECONNECT_MS });
    for (const [index, wire] of wires.entries())
      wire.setTarget({ host: '127.0.0.1', port: (this.#servers[index] as NatsServer).port });
  }

  /** Loses everything between a part and all servers, until {@link heal}. */
  cut(part: string, direction: Direction | 'both' = 'both'): void {
    for (const wire of this.#of(part)) wire.blackhole(direction);
  }

  heal(part: string): void {
    for (const wire of this.#of(part)) wire.blackhole('none');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#wires.values()].flat().map((wire) => wire.close()));
  }

  #of(part: string): readonly FaultProxy[] {
    const wires = this.#wires.get(part);
    if (wires === undefined) throw new TypeError(`expected a part that was given its addresses, got ${part}`);
    return wires;
  }
}
