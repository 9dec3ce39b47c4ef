import { connect } from 'nats';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { BusUnavailableError } from '../bus.ts';

export type NatsOptions = {
  /** `nats://host:port`, several separated by commas */
  readonly url: string;
  /** shown in NATS's connection list */
  readonly name: string;
  readonly user?: string;
  readonly password?: string;
  /** 1 or 3, of every stream; default 1 */
  readonly replicas?: number;
  /** streams the token log is split into; default 1 */
  readonly partitions?: number;
  /** how long a record, an item, a job stay; defaults 1 h, 7 d, 15 min */
  readonly retention?: { readonly tokensMs?: number; readonly sessionsMs?: number; readonly jobsMs?: number };
  /** bytes each stream may hold; defaults 1 GiB, 1 GiB, 512 MiB */
  readonly maxBytes?: { readonly tokens?: number; readonly sessions?: number; readonly prompts?: number };
  /** how long a job may go without `working` before it is delivered again; default 30 s */
  readonly ackWaitMs?: number;
};

/** A request to NATS is given up after this long: its outcome is then unknown. */
export const REQUEST_TIMEOUT_MS = 2_000;

/**
 * Connects with the settings that survive outages: reconnect for ever (the library's default gives up
 * after 10 tries), and pings every second, so that a server that hangs is noticed in 2-4 s.
 * @throws BusUnavailableError when no server answers within 10 s
 */
export const connectNats = async ({ url, name, user, password }: NatsOptions): Promise<NatsConnection> => {
  const options: ConnectionOptions = {
    servers: url.split(',').map((server) => server.trim()),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: 1_000,
    maxPingOut: 2,
    timeout: 2_000,
    ignoreClusterUpdates: false,
    ...(user === undefined ? {} : { user, pass: password ?? '', inboxPrefix: `_INBOX_${user}` }),
  };
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await connect(options);
    } catch (cause) {
      if (Date.now() > deadline)
        throw new BusUnavailableError(`NATS at ${url}: expected a server, got ${(cause as Error).message}`, {
          cause,
        });
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
};
