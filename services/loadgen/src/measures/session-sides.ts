import { namesOf, pause, startClient } from '../bench.ts';
import type { Bench } from '../bench.ts';
import type { ClientApi } from '../clients/client-main.ts';
import type { Verification } from '../clients/crowd.ts';
import type { Received } from '../clients/tally.ts';
import type { RelayApi } from '../peers/relay-main.ts';
import type { RelayPublisherApi } from '../peers/relay-publisher-main.ts';
import { cpuDuring } from '../process-usage.ts';
import { startRemote } from '../remote.ts';
import type { Remote } from '../remote.ts';
import type { EdgeProcess } from '../system.ts';

export const TOKENS_PER_SECOND = 20;
/** Prompts are spread over this long, so that the sessions are out of step, ms. */
const PROMPTING_MS = 1_500;
const SETTLE_MS = 1_000;
/** Generations are cancelled after the window; a machine too slow to get that far finds them ended. */
const MAX_GENERATION_MS = 20_000;

/** One window: what it cost and what arrived. */
export type Window = {
  readonly received: Received;
  /** CPU of the process that sends to the clients */
  readonly usPerToken: number;
};

export type LiveWindow = Window & {
  readonly workerUsPerToken: number;
  readonly natsUsPerToken: number;
  /** from the first prompt until every generation had begun for its viewer, ms */
  readonly begunMs: number;
};

export type Measured<Kind extends Window> = {
  readonly window: Kind;
  readonly verifications: readonly Verification[];
};

/** The same number of sessions twice: at an edge, and at a relay that neither stores, replays nor paces. */
export class SessionSides {
  readonly #bench: Bench;
  readonly #names: readonly string[];
  readonly #edge: EdgeProcess;
  readonly #viewers = startClient();
  readonly #relayViewers = startClient();
  readonly #relay = startRemote<RelayApi>(new URL('../peers/relay-main.ts', import.meta.url));
  readonly #publisher = startRemote<RelayPublisherApi>(
    new URL('../peers/relay-publisher-main.ts', import.meta.url),
  );

  /** The edge is this object's from now on. */
  constructor(bench: Bench, edge: EdgeProcess) {
    this.#bench = bench;
    this.#edge = edge;
    this.#names = namesOf('stream', bench.size.sessions);
  }

  /** Connects all clients and attaches them to their sessions. */
  async open(): Promise<void> {
    const { target } = this.#edge;
    await this.#viewers.call('open', { target, sessions: this.#names });
    await this.#viewers.call('subscribe', null);
    const port = await this.#relay.call('start', this.#bench.system.natsUrl);
    await this.#relayViewers.call('open', { target: { kind: 'relay', port }, sessions: this.#names });
    await pause(SETTLE_MS);
  }

  /** All sessions stream from worker to client: one window of it. */
  async live(): Promise<Measured<LiveWindow>> {
    const { system, size } = this.#bench;
    await this.#viewers.call('begin', null);
    const body = bodyOf((TOKENS_PER_SECOND * MAX_GENERATION_MS) / 1000);
    const promptedAt = performance.now();
    await this.#viewers.call('prompt', { count: size.sessions, overMs: PROMPTING_MS, body });
    await this.#viewers.call('started', size.sessions);
    const begunMs = performance.now() - promptedAt;
    await pause(SETTLE_MS);
    const pids = [this.#edge.pid, system.workerPid, system.natsPid];
    const { received, usPerToken } = await this.#measure(this.#viewers, pids);
    await this.#viewers.call('cancel', null);
    await this.#viewers.call('ended', size.sessions);
    const [edge = 0, worker = 0, nats = 0] = usPerToken;
    return {
      window: {
        ...{ received, usPerToken: edge, workerUsPerToken: worker, natsUsPerToken: nats, begunMs },
      },
      verifications: [await this.#viewers.call('verify', null)],
    };
  }

  /** As many messages go through core NATS and the relay. */
  async relay(): Promise<Measured<Window>> {
    const { system, size } = this.#bench;
    await this.#relayViewers.call('begin', null);
    const publishing = this.#publisher.call('run', {
      natsUrl: system.natsUrl,
      sessions: this.#names,
      tokensPerSecond: TOKENS_PER_SECOND,
      tokens: Math.ceil((TOKENS_PER_SECOND * (2 * SETTLE_MS + size.windowMs)) / 1000),
    });
    await this.#relayViewers.call('started', size.sessions);
    await pause(SETTLE_MS);
    const { received, usPerToken } = await this.#measure(this.#relayViewers, [this.#relay.pid]);
    const text = await publishing;
    await this.#relayViewers.call('ended', size.sessions);
    const verified = await this.#relayViewers.call('verify', text);
    return { window: { received, usPerToken: usPerToken[0] ?? 0 }, verifications: [verified] };
  }

  async close(): Promise<void> {
    const processes = [this.#viewers, this.#relayViewers, this.#relay, this.#publisher];
    await Promise.all(processes.map((process) => process.close()));
    await this.#edge.close();
  }

  async #measure(viewers: Remote<ClientApi>, pids: readonly number[]) {
    await viewers.call('mark', null);
    const { cpuMs } = await cpuDuring(pids, () => pause(this.#bench.size.windowMs));
    const received = await viewers.call('read', null);
    return { received, usPerToken: cpuMs.map((ms) => (ms * 1000) / received.tokens) };
  }
}

const bodyOf = (tokens: number) => ({
  params: { simulated: { source: 'ngram', tokens, tokensPerSecond: TOKENS_PER_SECOND, ttftMs: 200 } },
});
