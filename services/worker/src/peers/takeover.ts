import type { Bus, Placement, RunningGeneration, Subscription, WorkerBeat } from '@sluice/bus';
import { fnv1a } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { adoptGeneration } from '@sluice/lifecycle';
import type { Standing } from '@sluice/lifecycle';
import { generationIds, persist } from '@sluice/runtime';
import type { Clock, Logger } from '@sluice/runtime';
import type { Connectivity } from './connectivity.ts';
import type { WorkerTally } from '../tally/worker-tally.ts';

/**
 * Beats of one's own without one of a peer after which the peer counts as dead. Beats are counted, not
 * seconds: while NATS is away nobody's arrive, and nobody is declared dead.
 */
const SILENT_BEATS = 3;
/** After this many any worker takes over; before, only the one whose turn it is. */
const ANYBODY_BEATS = 4;
/** So often a worker looks who lives, and for jobs placed with one that does not: more than it takes to die. */
const SWEEP_BEATS = 5;

type Peer = {
  /** beats of one's own since its last one, of those that could be heard */
  missed: number;
  running: readonly RunningGeneration[];
  /** beats of one's own since it was first heard of; those of the directory were there before */
  readonly since: number;
};

export type TakeoverDeps = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** this worker's name */
  readonly worker: string;
  readonly connectivity: Pick<Connectivity, 'upFor'>;
  /** told who lives, and at once who does not */
  readonly placement: Placement;
  readonly tally: Pick<WorkerTally, 'takenOver' | 'adopted'>;
};

/**
 * Notices workers that died, queues their generations again and adopts their own queues. Every worker
 * does this; the item's compare-and-set decides whose word counts, and the next claim fences a worker
 * that was only slow.
 */
export class Takeover {
  readonly #deps: TakeoverDeps;
  readonly #peers = new Map<string, Peer>();
  readonly #closing = new AbortController();
  #subscription: Subscription | undefined;
  #beats = 0;
  /** beats of one's own in a row at which others could be heard */
  #heard = 0;

  constructor(deps: TakeoverDeps) {
    this.#deps = deps;
  }

  /**
   * Listens to beats, and expects them of every worker the directory knows. What an earlier life of this
   * worker ran, or has left in its queue, goes to whoever is free. Waits for NATS to have leaders.
   */
  async start(): Promise<void> {
    const { bus, clock, worker, placement } = this.#deps;
    const { signal } = this.#closing;
    const follow = () => bus.workers.onBeat((beat) => this.#onBeat(beat));
    this.#subscription = await persist(follow, clock, signal);
    const workers = await persist(() => bus.workers.list(), clock, signal);
    placement.learn(workers);
    for (const { worker: peer, running } of workers) {
      // Killed and started again before anybody missed it: nobody else will notice what it ran.
      if (peer === worker) void this.#takeOver(peer, { missed: 0, running, since: 0 });
      else if (!this.#peers.has(peer)) this.#peers.set(peer, { missed: 0, running, since: -Infinity });
    }
    await persist(() => bus.jobs.adopt(worker), clock, signal);
  }

  /** What live peers run, as they say; undefined: not heard for long enough to tell who lives. */
  get running(): readonly RunningGeneration[] | undefined {
    const { connectivity, clock } = this.#deps;
    if (this.#heard <= ANYBODY_BEATS || connectivity.upFor(clock.now()) === 0) return undefined;
    return [...this.#peers.values()].flatMap(({ running }) => running);
  }

  /** Whether no peer has this name: nobody has heard it for long, or it is that of an earlier life of this worker. */
  isGone(worker: string): boolean {
    return !this.#peers.has(worker);
  }

  close(): void {
    this.#closing.abort();
    this.#subscription?.close();
  }

  /** What beats say of a worker's run. */
  standingOf(name: string, run: RunningGeneration): Standing {
    if (this.#isBack(name, run)) return 'alive';
    const { connectivity, clock } = this.#deps;
    const hasListened = this.#heard >= ANYBODY_BEATS && connectivity.upFor(clock.now()) > 0;
    const missed = this.#peers.get(name)?.missed ?? SILENT_BEATS;
    return hasListened && missed >= SILENT_BEATS ? 'dead' : 'unsure';
  }

  #onBeat(beat: WorkerBeat): void {
    const { worker, running, isExtra = false } = beat;
    if (worker === this.#deps.worker) {
      if (!isExtra) this.#onOwnBeat();
      return;
    }
    this.#deps.placement.hear(beat);
    const known = this.#peers.get(worker);
    // Somebody new has free slots, for what waits elsewhere.
    if (known === undefined) void this.#learn();
    const before = isExtra && known !== undefined ? known.running : [];
    this.#peers.set(worker, {
      missed: 0,
      running: [...before, ...running],
      since: known?.since ?? this.#beats,
    });
  }

  #onOwnBeat(): void {
    const { connectivity, clock } = this.#deps;
    const canHear = connectivity.upFor(clock.now()) > 0;
    this.#heard = canHear ? this.#heard + 1 : 0;
    for (const [name, peer] of this.#peers) {
      peer.missed = canHear ? peer.missed + 1 : 0;
      const isDue = peer.missed === SILENT_BEATS ? this.#isOurTurn(name) : peer.missed === ANYBODY_BEATS;
      if (isDue) void this.#takeOver(name, peer);
      if (peer.missed >= ANYBODY_BEATS) this.#peers.delete(name);
    }
    this.#beats += 1;
    if (this.#beats % SWEEP_BEATS === 0) void this.#sweep();
  }

  /**
   * Workers that see the same peers agree on one of them without a word; others come later. Whoever came
   * when the dead was silent already takes longer to know, and is not counted on.
   */
  #isOurTurn(dead: string): boolean {
    const silentFor = this.#peers.get(dead)?.missed ?? 0;
    const live = [...this.#peers].flatMap(([name, { missed, since }]) =>
      missed < SILENT_BEATS && this.#beats - since >= silentFor ? [name] : [],
    );
    const turns = [...live, this.#deps.worker].filter((name) => name !== dead).toSorted();
    return turns[fnv1a(dead) % turns.length] === this.#deps.worker;
  }

  async #takeOver(name: string, { missed, running }: Peer): Promise<void> {
    const { bus, logger, tally, placement } = this.#deps;
    placement.forget(name);
    // So that edges place nothing there any more. One that was only slow announces itself again.
    bus.workers.retire(name).catch((error: unknown) => logger.warn('retire_failed', { error }));
    if (running.length > 0) {
      logger.warn('worker_silent', { peer: name, generations: running.length });
      const adopted = await Promise.all(running.map((run) => this.#adopt(name, run)));
      tally.takenOver += adopted.filter((isOurs) => isOurs).length;
    }
    // What arrives there later, or is left behind here, is found by a sweep.
    if (missed === SILENT_BEATS) await this.#adoptQueue(name);
  }

  /**
   * What killed the worker may have taken NATS's leaders with it, so this is not given up before it is done.
   * @returns whether it was this worker that moved the generation on
   */
  async #adopt(dead: string, run: RunningGeneration): Promise<boolean> {
    const { clock, logger } = this.#deps;
    const adopt = async (): Promise<StoredGeneration | undefined> =>
      this.#isBack(dead, run) ? undefined : adoptGeneration(this.#deps, run, dead);
    try {
      const item = await persist(adopt, clock, this.#closing.signal);
      if (item?.status === 'done') {
        const { crashes, allCrashes, traceparent } = item;
        logger.error('generation_poisoned', { ...generationIds(run, traceparent), crashes, allCrashes });
      }
      return item !== undefined;
    } catch (error) {
      // The job's own redelivery is the backstop.
      logger.warn('adoption_failed', { ...generationIds(run), error });
      return false;
    }
  }

  async #learn(): Promise<void> {
    const { bus, logger, placement } = this.#deps;
    try {
      placement.learn(await bus.workers.list());
    } catch (error) {
      logger.warn('sweep_failed', { error });
    }
  }

  /** Learns who lives, and adopts the queues of those that nobody hears. */
  async #sweep(): Promise<void> {
    const { bus, logger, worker } = this.#deps;
    await this.#learn();
    try {
      const owners = await bus.jobs.owners();
      const gone = owners.filter((owner) => owner !== worker && !this.#peers.has(owner));
      for (const owner of gone) if (this.#isOurTurn(owner)) await this.#adoptQueue(owner);
    } catch (error) {
      logger.warn('sweep_failed', { error });
    }
  }

  async #adoptQueue(owner: string): Promise<void> {
    const { bus, logger, tally } = this.#deps;
    try {
      const jobs = await bus.jobs.adopt(owner);
      if (jobs === 0) return;
      tally.adopted += jobs;
      logger.info('queue_adopted', { peer: owner, jobs });
    } catch (error) {
      logger.warn('adoption_failed', { peer: owner, error });
    }
  }

  /** Whether a worker has been heard a moment ago, at this run. */
  #isBack(name: string, run: RunningGeneration): boolean {
    const peer = this.#peers.get(name);
    return peer !== undefined && peer.missed < SILENT_BEATS && peer.running.some((each) => isSame(each, run));
  }
}

const isSame = (a: RunningGeneration, b: RunningGeneration): boolean =>
  a.generation === b.generation && a.session === b.session && a.org === b.org && a.attempt === b.attempt;
