import { endGeneration } from '@sluice/bus';
import type { Bus, RunningGeneration, Subscription, WorkerBeat } from '@sluice/bus';
import { adopt } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { Clock, Logger } from '@sluice/runtime';
import { isPoison, POISONED } from './crash-budget.ts';

/**
 * Beats of one's own without one of a peer after which the peer counts as dead. Beats are counted, not
 * seconds: while NATS is away nobody's arrive, and nobody is declared dead.
 */
const SILENT_BEATS = 3;
/** After this many any worker takes over; before, only the one whose turn it is. */
const ANYBODY_BEATS = 5;
type Peer = { missed: number; running: readonly RunningGeneration[] };

export type TakeoverDeps = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** this worker's name */
  readonly worker: string;
  /** called with the number of generations queued again, or ended, after each take-over */
  readonly onTakenOver: (generations: number) => void;
};

/**
 * Notices workers that died and queues their generations again. Every worker does this; the item's
 * compare-and-set decides whose word counts, and the next claim fences a worker that was only slow.
 */
export class Takeover {
  readonly #deps: TakeoverDeps;
  readonly #peers = new Map<string, Peer>();
  #subscription: Subscription | undefined;

  constructor(deps: TakeoverDeps) {
    this.#deps = deps;
  }

  /** Listens to beats, and expects them of every worker the directory knows. @throws BusUnavailableError */
  async start(): Promise<void> {
    const { bus, worker } = this.#deps;
    this.#subscription = await bus.workers.onBeat((beat) => this.#onBeat(beat));
    for (const { worker: peer, running } of await bus.workers.list()) {
      if (peer !== worker && !this.#peers.has(peer)) this.#peers.set(peer, { missed: 0, running });
    }
  }

  close(): void {
    this.#subscription?.close();
  }

  #onBeat({ worker, running, isExtra = false }: WorkerBeat): void {
    if (worker !== this.#deps.worker) this.#peers.set(worker, { missed: 0, running });
    else if (!isExtra) this.#onOwnBeat();
  }

  #onOwnBeat(): void {
    for (const [name, peer] of this.#peers) {
      peer.missed += 1;
      const isDue = peer.missed === SILENT_BEATS ? this.#isOurTurn(name) : peer.missed === ANYBODY_BEATS;
      if (isDue) void this.#takeOver(name, peer);
      if (peer.missed >= ANYBODY_BEATS) this.#peers.delete(name);
    }
  }

  /** Workers that see the same peers agree on one of them without a word; others come later. */
  #isOurTurn(dead: string): boolean {
    const live = [...this.#peers].filter(([, { missed }]) => missed < SILENT_BEATS).map(([name]) => name);
    const turns = [...live, this.#deps.worker].filter((name) => name !== dead).toSorted();
    return turns[hashOf(dead) % turns.length] === this.#deps.worker;
  }

  async #takeOver(name: string, { running }: Peer): Promise<void> {
    if (running.length === 0) return;
    const { logger, onTakenOver } = this.#deps;
    logger.warn('worker_silent', { peer: name, generations: running.length });
    const adopted = await Promise.all(running.map((generation) => this.#adopt(name, generation)));
    onTakenOver(adopted.filter((isOurs) => isOurs).length);
  }

  /** @returns whether it was this worker that moved the generation on */
  async #adopt(name: string, { org, session, generation, attempt }: RunningGeneration): Promise<boolean> {
    const { bus, clock, logger } = this.#deps;
    const key: GenerationKey = { org, session, generation };
    try {
      const stored = await bus.sessions.item(key, generation);
      if (stored?.item.kind !== 'generation') return false;
      const { rev, item } = stored;
      if (item.status !== 'running' || item.worker !== name || item.attempt !== attempt) return false;
      const next = adopt(item);
      if (next === undefined) return false;
      if (isPoison(next))
        return await endGeneration(bus, key, { rev, item: next }, { end: POISONED, now: clock.now() });
      if ((await bus.sessions.updateItem(key, next, rev)) === undefined) return false;
      await bus.jobs.publish({ ...key, model: next.model, attempt: next.attempt + 1 });
      return true;
    } catch (error) {
      // The job's own redelivery is the backstop.
      logger.warn('adoption_failed', { generation, error });
      return false;
    }
  }
}

/** FNV-1a: spreads the dead among the living without a word between them. */
const hashOf = (name: string): number => {
  let hash = 0x811c9dc5;
  for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return hash >>> 0;
};
