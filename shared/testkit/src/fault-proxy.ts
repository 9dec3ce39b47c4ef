import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { FaultPipe } from './fault-pipe.ts';
import type { Direction, Faults } from './fault-pipe.ts';

export type ProxyTarget = { readonly host: string; readonly port: number };

export type FaultProxyOptions = {
  readonly target: ProxyTarget;
  /** default 0: the system chooses */
  readonly port?: number;
  /** source of the jitter, from 0 to 1; default Math.random */
  readonly random?: () => number;
};

export type CutOptions = {
  /** end with a TCP reset in place of a FIN */
  readonly rst?: boolean;
};

/** A TCP proxy on 127.0.0.1 that misbehaves on demand. Faults apply to open and to new connections at once. */
export type FaultProxy = {
  readonly port: number;
  /** e.g. `url('ws')` is `ws://127.0.0.1:<port>` */
  url(scheme: string): string;
  /** open now */
  readonly connections: number;
  /** since the start */
  readonly accepted: number;
  /** Where new connections go. */
  setTarget(target: ProxyTarget): void;
  /** Ends every open connection, both sides; what is inside the proxy is lost. */
  cutAll(options?: CutOptions): void;
  /** One way each; order is kept and throughput is not reduced. 0 ends it. */
  setLatency(ms: number, jitterMs?: number): void;
  /** Per connection and direction; undefined ends it. */
  setThrottle(bytesPerSecond: number | undefined): void;
  /** Forwards in writes of at most this many bytes; undefined ends it. */
  setSlices(bytes: number | undefined): void;
  /** Holds back all bytes and ends of a direction, silently, like a dead route; `none` lets them through again. */
  blackhole(direction: Direction | 'both' | 'none'): void;
  /**
   * Each of the next `connections` (default 1) is ended after it has forwarded exactly `bytes` (at least 1) in that
   * direction.
   */
  cutAfter(bytes: number, direction: Direction, connections?: number): void;
  /** Idempotent; cuts what is open. */
  close(): Promise<void>;
};

type Tunnel = { cut(options: CutOptions): void; wake(): void };
type PlannedCut = { readonly bytes: number; readonly direction: Direction };

const end = (socket: Socket, { rst = false }: CutOptions): void => {
  if (rst) socket.resetAndDestroy();
  else socket.destroy();
};

type TunnelOptions = {
  readonly client: Socket;
  readonly target: ProxyTarget;
  readonly faults: Faults;
  readonly random: () => number;
  readonly plannedCut: PlannedCut | undefined;
  readonly onClosed: () => void;
};

/** Joins an accepted socket to a new one to the target by two pipes. */
const openLink = (options: TunnelOptions): Tunnel => {
  const { client, target, faults, random, plannedCut } = options;
  const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
  const cutAfterBytes = (direction: Direction): number | undefined =>
    plannedCut?.direction === direction ? plannedCut.bytes : undefined;
  // Soon and not now: the bytes before the cut must arrive.
  const onCut = (): void => {
    for (const pipe of pipes) pipe.close();
    client.destroySoon();
    server.destroySoon();
  };
  const pipe = (source: Socket, sink: Socket, direction: Direction): FaultPipe =>
    new FaultPipe({
      source,
      target: sink,
      direction,
      faults,
      random,
      cutAfterBytes: cutAfterBytes(direction),
      onCut,
    });
  const pipes = [pipe(client, server, 'up'), pipe(server, client, 'down')];
  const cut = (how: CutOptions): void => {
    for (const each of pipes) each.close();
    end(client, how);
    end(server, how);
  };
  let open = 2;
  for (const socket of [client, server]) {
    // A reset on one side is a reset on the other: ECONNREFUSED of the target too is all a client gets to see.
    socket.on('error', () => cut({ rst: true }));
    socket.once('close', () => {
      open -= 1;
      if (open === 0) options.onClosed();
    });
  }
  return { cut, wake: () => pipes.forEach((each) => each.wake()) };
};

export const startFaultProxy = async (options: FaultProxyOptions): Promise<FaultProxy> => {
  const { random = Math.random } = options;
  const faults: Faults = {
    latencyMs: 0,
    jitterMs: 0,
    bytesPerSecond: undefined,
    sliceBytes: undefined,
    blackhole: 'none',
  };
  const links = new Set<Tunnel>();
  const plannedCuts: PlannedCut[] = [];
  let { target } = options;
  let accepted = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accepted += 1;
    const onClosed = (): void => void links.delete(link);
    const link = openLink({ client, target, faults, random, plannedCut: plannedCuts.shift(), onClosed });
    links.add(link);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const change = (changed: Partial<Faults>): void => {
    Object.assign(faults, changed);
    for (const link of links) link.wake();
  };
  const cutAll = (how: CutOptions = {}): void => links.forEach((link) => link.cut(how));
  let closed: Promise<void> | undefined;
  return {
    port,
    url: (scheme) => `${scheme}://127.0.0.1:${port}`,
    get connections() {
      return links.size;
    },
    get accepted() {
      return accepted;
    },
    setTarget: (next) => void (target = next),
    cutAll,
    setLatency: (latencyMs, jitterMs = 0) => change({ latencyMs, jitterMs }),
    setThrottle: (bytesPerSecond) => change({ bytesPerSecond }),
    setSlices: (sliceBytes) => change({ sliceBytes }),
    blackhole: (direction) => change({ blackhole: direction }),
    cutAfter: (bytes, direction, connections = 1) => {
      for (let i = 0; i < connections; i += 1) plannedCuts.push({ bytes, direction });
    },
    close: () =>
      (closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        cutAll();
      })),
  };
};
