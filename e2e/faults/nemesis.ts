import { setTimeout as pause } from 'node:timers/promises';
import type { Bus } from '@sluice/bus';
import { openRawClient } from '@sluice/testkit';
import type { NatsServer, SeededRandom } from '@sluice/testkit';
import { tokenFor } from '../support/clients.ts';
import type { Fleet } from './fleet.ts';
import type { Load } from './load.ts';
import type { Storage } from './storage.ts';

export const FAULTS = [
  'kill_worker',
  'pause_worker',
  'kill_edge',
  'drain_edge',
  'drain_worker',
  'kill_nats',
  'pause_nats',
  'cut_clients',
  'slow_wire',
  'slice_wire',
  'black_hole',
  'stalled_viewer',
  'cancel',
] as const;
export type FaultName = (typeof FAULTS)[number];

/** One thing that goes wrong. `target` picks among what there is, `forMs` is how long it lasts. */
export type Fault = { readonly name: FaultName; readonly target: number; readonly forMs: number };
/** What goes wrong at once, `afterMs` after the step before; nothing in a quarter of the steps. */
export type Step = { readonly afterMs: number; readonly faults: readonly Fault[] };

export type PlanOptions = {
  readonly durationMs: number;
  readonly everyMs: readonly [number, number];
  readonly faults?: readonly FaultName[];
};

const LASTS_MS: Partial<Record<FaultName, readonly [number, number]>> = {
  pause_worker: [4_000, 8_000],
  kill_nats: [200, 2_000],
  pause_nats: [3_000, 3_000],
  stalled_viewer: [2_000, 4_000],
};

/** Draws a plan. Pure: a seed repeats the plan, though not the interleaving. */
export const planOf = (random: SeededRandom, options: PlanOptions): Step[] => {
  const { durationMs, everyMs, faults = FAULTS } = options;
  const steps: Step[] = [];
  for (let at = 0; ;) {
    const afterMs = random.between(...everyMs);
    at += afterMs;
    if (at >= durationMs) return steps;
    const count = random.next() < 0.25 ? 0 : random.between(1, 2);
    const drawn = Array.from({ length: count }, (): Fault => {
      const name = random.pick(faults);
      const forMs = random.between(...(LASTS_MS[name] ?? [1_000, 3_000]));
      return { name, target: random.between(0, 999), forMs };
    });
    steps.push({ afterMs, faults: drawn });
  }
};

export type World = {
  readonly storage: Storage;
  /** past all services, for looking only */
  readonly bus: Bus;
  readonly fleet: Fleet;
  readonly load: Load;
  /** addresses of the edges */
  readonly urls: readonly string[];
};

export type Happened = { readonly at: number; readonly fault: FaultName; readonly skipped?: true };

/** Carries a plan out. A part that is down already is left alone: the same part never fails twice at once. */
export class Nemesis {
  readonly happened: Happened[] = [];
  readonly #world: World;
  readonly #busy = new Set<string>();
  readonly #open = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** Resolves when the plan is through and everything is healed. @throws what a restart threw */
  async run(steps: readonly Step[]): Promise<void> {
    for (const { afterMs, faults } of steps) {
      await pause(afterMs);
      for (const fault of faults) this.#start(fault);
    }
    while (this.#open.size > 0) await Promise.all(this.#open);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #start(fault: Fault): void {
    const part = this.#partOf(fault);
    const at = performance.now();
    if (this.#busy.has(part)) {
      this.happened.push({ at, fault: fault.name, skipped: true });
      return;
    }
    this.happened.push({ at, fault: fault.name });
    this.#busy.add(part);
    const doing = this.#do(fault)
      .catch((error: unknown) => void this.#failures.push(error))
      .finally(() => {
        this.#busy.delete(part);
        this.#open.delete(doing);
      });
    this.#open.add(doing);
  }

  #partOf({ name, target }: Fault): string {
    const { edges, workers } = this.#world.fleet;
    switch (name) {
      case 'kill_worker':
      case 'pause_worker':
      case 'drain_worker':
        return `worker ${target % workers.length}`;
      // One edge at a time, so that the other one can take its clients.
      case 'kill_edge':
      case 'drain_edge':
        return 'edge';
      case 'kill_nats':
      case 'pause_nats':
        return 'nats';
      case 'slow_wire':
      case 'slice_wire':
      case 'black_hole':
        return `wire ${target % edges.length}`;
      case 'cut_clients':
      case 'stalled_viewer':
      case 'cancel':
        return `${name} ${this.happened.length}`;
    }
  }

  async #do({ name, target, forMs }: Fault): Promise<void> {
    const { fleet, storage } = this.#world;
    const nats = storage.servers[target % storage.servers.length] as NatsServer;
    const edge = target % fleet.edges.length;
    const worker = target % fleet.workers.length;
    const proxy = fleet.edges[edge]?.proxy;
    switch (name) {
      case 'kill_worker':
        return void (await fleet.replaceWorker(worker, 'SIGKILL'));
      case 'drain_worker':
        return void (await fleet.replaceWorker(worker, 'SIGTERM'));
      case 'pause_worker':
        await fleet.workers[worker]?.child.pause();
        await pause(forMs);
        return fleet.workers[worker]?.child.resume();
      case 'kill_edge':
        return void (await fleet.replaceEdge(edge, 'SIGKILL'));
      case 'drain_edge':
        return void (await fleet.replaceEdge(edge, 'SIGTERM'));
      case 'kill_nats':
        await nats.kill();
        await pause(forMs);
        return nats.restart();
      case 'pause_nats':
        await nats.pause();
        await pause(forMs);
        return nats.resume();
      case 'cut_clients':
        return proxy?.cutAll({ rst: true });
      case 'slow_wire':
        proxy?.setLatency(100, 50);
        await pause(forMs);
        return proxy?.setLatency(0);
      case 'slice_wire':
        proxy?.setSlices(1);
        await pause(forMs);
        return proxy?.setSlices(undefined);
      case 'black_hole':
        proxy?.blackhole(target % 2 === 0 ? 'both' : 'down');
        await pause(forMs);
        return proxy?.blackhole('none');
      case 'stalled_viewer':
        return this.#stall(target, forMs);
      case 'cancel':
        return this.#cancel(target);
    }
  }

  /** Somebody attaches with a small window and never acks. */
  async #stall(target: number, forMs: number): Promise<void> {
    const { fleet, load } = this.#world;
    const room = load.rooms[target % load.rooms.length];
    const edge = fleet.edges[target % fleet.edges.length];
    if (room === undefined || edge === undefined) return;
    try {
      const token = tokenFor('staller', room.org);
      const client = await openRawClient(`${edge.proxy.url('ws')}/v1/ws`, { token });
      client.send({ type: 'subscribe', session: room.session, window: 2 });
      await pause(forMs);
      client.close();
    } catch {
      // Its edge is down just now: one viewer fewer.
    }
  }

  async #cancel(target: number): Promise<void> {
    const { running } = this.#world.load;
    const handle = running[target % Math.max(1, running.length)]?.handles[0];
    // Repeated by the SDK until it is taken; refused only if its prompt was.
    await handle?.cancel().catch(() => undefined);
  }
}
