import { jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { waitFor } from '@sluice/testkit';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';

const LEADER_MS = 20_000;
const REQUEST_MS = 5_000;

/** Somebody beside the system who asks the cluster's servers who leads what, and may change it. */
export class Leadership {
  readonly #nc: NatsConnection;
  readonly #manager: JetStreamManager;

  private constructor(nc: NatsConnection, manager: JetStreamManager) {
    this.#nc = nc;
    this.#manager = manager;
  }

  static async open(natsUrl: string): Promise<Leadership> {
    const nc = await connect({ servers: natsUrl.split(','), timeout: REQUEST_MS });
    return new Leadership(nc, await jetstreamManager(nc, { timeout: REQUEST_MS }));
  }

  /** Names of the servers that hold a stream, its leader first. */
  async holders(stream: string): Promise<string[]> {
    const { cluster } = await this.#manager.streams.info(stream);
    return [cluster?.leader ?? '', ...(cluster?.replicas ?? []).map(({ name }) => name)];
  }

  /** Has a server lead a stream. */
  async hand(stream: string, server: string): Promise<void> {
    const leads = async (): Promise<boolean> => (await this.holders(stream))[0] === server;
    if (await leads()) return;
    const request = JSON.stringify({ placement: { preferred: server } });
    await this.#nc.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, request, { timeout: REQUEST_MS });
    await waitFor(leads, { what: `${server} to lead ${stream}`, timeoutMs: LEADER_MS, pollMs: 50 });
  }

  /** Has whoever leads one stream lead all the others too. */
  async gather(stream: string): Promise<void> {
    const [leader = ''] = await this.holders(stream);
    for await (const name of this.#manager.streams.names()) await this.hand(name, leader);
  }

  close(): Promise<void> {
    return this.#nc.close();
  }
}
