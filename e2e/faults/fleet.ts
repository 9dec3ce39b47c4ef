import { NO_QUOTAS_ENV, readyMessage, spawnNode, startFaultProxy } from '@sluice/testkit';
import type { Child, FaultProxy } from '@sluice/testkit';
import { DEMO_WORKER_MAIN, EDGE_MAIN } from '../support/processes.ts';
import { SECRET } from '../support/system.ts';

const READY_MS = 30_000;

export type FleetOptions = {
  /** the NATS servers that a part (`edge 0`, `worker 1`) is to connect to, separated by commas */
  readonly natsUrlOf: (part: string) => Promise<string>;
  readonly edges: number;
  readonly workers: number;
  readonly replicas?: number;
  readonly tokensPerSecond?: number;
  /** default true; false: all jobs are in the queues that workers share */
  readonly placement?: boolean;
  /** of each worker; default the worker's own */
  readonly slots?: number;
  /** source of the proxies' jitter */
  readonly random?: () => number;
};

/** An edge process behind an address that stays: a fault proxy, as a balancer would be. */
export type EdgeSlot = { readonly proxy: FaultProxy } & EdgeProcess;
type EdgeProcess = { child: Child; port: number; admin: string };
export type WorkerSlot = { name: string; child: Child; admin: string; made: number };

/** Edges and workers as child processes, to be killed, stopped and started again. */
export class Fleet {
  readonly edges: EdgeSlot[] = [];
  readonly workers: WorkerSlot[] = [];
  readonly #options: FleetOptions;
  /** tokens that worker processes which are gone had made when last asked */
  #madeBefore = 0;
  #started = 0;
  #sampling: Promise<void> | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { edges, workers, random = Math.random } = this.#options;
    const all = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: count }, (_, index) => make(index)));
    const [startedEdges, startedWorkers] = await Promise.all([
      all(edges, (index) => this.#spawnEdge(index)),
      all(workers, (index) => this.#spawnWorker(index)),
    ]);
    this.workers.push(...startedWorkers);
    for (const edge of startedEdges) {
      const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: edge.port }, random });
      this.edges.push({ ...edge, proxy });
    }
  }

  /**
   * Ends an edge; until another one is up, its clients are sent to the other edge.
   * @returns how long it took to exit, ms, and how
   */
  async replaceEdge(index: number, signal: NodeJS.Signals): Promise<Exit> {
    const slot = this.edges[index] as EdgeSlot;
    const other = this.edges[(index + 1) % this.edges.length] as EdgeSlot;
    slot.proxy.setTarget({ host: '127.0.0.1', port: other.port });
    const [next, exit] = await Promise.all([this.#spawnEdge(index), exitOf(slot.child, signal)]);
    Object.assign(slot, next);
    slot.proxy.setTarget({ host: '127.0.0.1', port: next.port });
    return exit;
  }

  /** Ends a worker and starts another one, of another name, at the same time. */
  async replaceWorker(index: number, signal: NodeJS.Signals): Promise<Exit> {
    const [next, exit] = await Promise.all([this.#spawnWorker(index), this.stopWorker(index, signal)]);
    Object.assign(this.workers[index] as WorkerSlot, next);
    return exit;
  }

  /** Ends a worker; nobody takes its place until {@link startWorker}. */
  async stopWorker(index: number, signal: NodeJS.Signals): Promise<Exit> {
    const slot = this.workers[index] as WorkerSlot;
    await this.sampleMade();
    const exit = await exitOf(slot.child, signal);
    this.#madeBefore += slot.made;
    slot.made = 0;
    return exit;
  }

  /** Starts a worker, of another name, where one was stopped. */
  async startWorker(index: number): Promise<void> {
    Object.assign(this.workers[index] as WorkerSlot, await this.#spawnWorker(index));
  }

  /** Asks every worker how many tokens its engine made; a stopped or dead one keeps its last answer. */
  async sampleMade(): Promise<number> {
    await (this.#sampling ??= this.#sample().finally(() => (this.#sampling = undefined)));
    return this.#madeBefore + this.workers.reduce((sum, { made }) => sum + made, 0);
  }

  /** Sum of one metric over all workers. */
  async workerMetric(name: string): Promise<number> {
    return sumOf(this.workers, name);
  }

  /** Sum of one metric over all edges. */
  async edgeMetric(name: string): Promise<number> {
    return sumOf(this.edges, name);
  }

  /** What the services that run now have logged. */
  get logs(): string {
    return [...this.edges, ...this.workers].map(({ child }) => child.output()).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.edges.map(({ proxy }) => proxy.close()));
    await Promise.all([...this.edges, ...this.workers].map(({ child }) => child.kill()));
  }

  async #sample(): Promise<void> {
    await Promise.all(
      this.workers.map(async (slot) => {
        const { child } = slot;
        const made = await readMetric(slot.admin, 'sluice_worker_tokens_total');
        if (made !== undefined && slot.child === child) slot.made = made;
      }),
    );
  }

  async #env(part: string): Promise<Record<string, string>> {
    const { natsUrlOf, replicas = 1, placement = true } = this.#options;
    return {
      SLUICE_NATS_URL: await natsUrlOf(part),
      SLUICE_NATS_REPLICAS: String(replicas),
      SLUICE_PLACEMENT: placement ? 'on' : 'off',
      SLUICE_LOG_LEVEL: 'warn',
    };
  }

  async #spawnEdge(index: number): Promise<EdgeProcess> {
    const child = await spawnNode(EDGE_MAIN, [], {
      env: {
        ...(await this.#env(`edge ${index}`)),
        SLUICE_JWT_SECRET: SECRET,
        SLUICE_EDGE_PORT: '0',
        SLUICE_EDGE_ADMIN_PORT: '0',
        ...NO_QUOTAS_ENV,
        SLUICE_EDGE_MAX_FRAMES_PER_SECOND: '1000',
      },
    });
    const { url, admin } = (await readyMessage(child, READY_MS)) as { url: string; admin: string };
    return { child, admin, port: Number(new URL(url).port) };
  }

  async #spawnWorker(index: number): Promise<WorkerSlot> {
    this.#started += 1;
    const name = `w-${this.#started}`;
    const { slots } = this.#options;
    const child = await spawnNode(DEMO_WORKER_MAIN, [], {
      env: {
        ...(await this.#env(`worker ${index}`)),
        SLUICE_WORKER_NAME: name,
        SLUICE_WORKER_ADMIN_PORT: '0',
        SLUICE_SIMULATED_TOKENS_PER_SECOND: String(this.#options.tokensPerSecond ?? 75),
        SLUICE_SIMULATED_TTFT_MS: '50',
        ...(slots === undefined ? {} : { SLUICE_WORKER_SLOTS: String(slots) }),
      },
    });
    const { admin } = (await readyMessage(child, READY_MS)) as { admin: string };
    return { name, child, admin, made: 0 };
  }
}

/** How a process ended, and how long that took, ms. */
export type Exit = { readonly ms: number; readonly code: number | null };

const exitOf = async (child: Child, signal: NodeJS.Signals): Promise<Exit> => {
  const asked = performance.now();
  const { code } = await child.kill(signal, READY_MS);
  return { ms: performance.now() - asked, code };
};

const sumOf = async (slots: readonly { readonly admin: string }[], name: string): Promise<number> => {
  const values = await Promise.all(slots.map(({ admin }) => readMetric(admin, name)));
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
};

const readMetric = async (admin: string, name: string): Promise<number | undefined> => {
  try {
    const response = await fetch(`${admin}/metrics`, { signal: AbortSignal.timeout(300) });
    const line = (await response.text()).split('\n').find((text) => text.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  } catch {
    // Stopped or dead: that is what faults do.
    return undefined;
  }
};
