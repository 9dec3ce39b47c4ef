import { connect, errors } from 'nats';
import type { ConnectionOptions, NatsConnection } from 'nats';
import {
  BusUnavailableError,
  RefusedLoginError,
  RefusedTlsError,
  UnsupportedServerError,
} from '../../bus.ts';
import { accessOptions, isTlsFault } from './access.ts';
import type { NatsAccess } from './access.ts';

export type NatsOptions = NatsAccess & {
  /** shown in NATS's connection list */
  readonly name: string;
  /** 1 or 3, of every stream; default 1 */
  readonly replicas?: number;
  /** streams the token log is split into; default 1 */
  readonly partitions?: number;
  /** how long a record, an item, a job, a line of the ledger stay; defaults 24 h, 7 d, as items, 400 d */
  readonly retention?: {
    readonly tokensMs?: number;
    readonly sessionsMs?: number;
    readonly jobsMs?: number;
    readonly usageMs?: number;
  };
  /** bytes each stream may hold; defaults 1 GiB, 1 GiB, 512 MiB, 2 GiB, 1 GiB */
  readonly maxBytes?: {
    readonly tokens?: number;
    readonly sessions?: number;
    readonly prompts?: number;
    readonly bodies?: number;
    readonly usage?: number;
  };
  /** how long a job may go without `working` before it is delivered again; default 30 s */
  readonly ackWaitMs?: number;
};

/** A request to NATS is given up after this long: its outcome is then unknown. */
export const REQUEST_TIMEOUT_MS = 2_000;
/** How long a start waits for a server, and for JetStream to elect its leaders. */
const START_TIMEOUT_MS = 10_000;
const START_RETRY_MS = 250;
/** The first release with counters. */
const MIN_SERVER = { major: 2, minor: 12 } as const;

/** Prefix of every reply subject; a service's permissions allow it its own and no other's. */
export const inboxPrefixOf = ({ user }: Pick<NatsOptions, 'user'>): string =>
  user === undefined ? '_INBOX' : `_INBOX_${user}`;

/**
 * Connects with the settings that survive outages: reconnect for ever (the library's default gives up
 * after 10 tries), and pings every second, so that a server that hangs is noticed in 2-4 s.
 * @throws BusUnavailableError when no server answers within 10 s
 * @throws RefusedLoginError at once, when a server does not take the login
 * @throws RefusedTlsError at once, when a server named by `tls://` offers none, or shows a certificate of somebody else
 * @throws UnsupportedServerError when the server is older than 2.12
 */
export const connectNats = async (options: NatsOptions): Promise<NatsConnection> => {
  const { url, name } = options;
  const settings: ConnectionOptions = {
    ...accessOptions(options),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: 1_000,
    maxPingOut: 2,
    timeout: 2_000,
    // The library would make a stack trace for each request, at several times the request's cost.
    noAsyncTraces: true,
    inboxPrefix: inboxPrefixOf(options),
  };
  const what = `NATS at ${url}`;
  const open = (): Promise<NatsConnection> =>
    connect(settings).catch((cause: Error) => {
      if (isTlsFault(cause))
        throw new RefusedTlsError(`${what}: expected TLS that can be trusted, got: ${cause.message}`, {
          cause,
        });
      if (!(cause instanceof errors.AuthorizationError)) throw cause;
      throw new RefusedLoginError(`${what}: expected it to take the login, got ${cause.message}`, { cause });
    });
  const nc = await retryAtStart(open, isRefused, what);
  try {
    requireVersion(nc);
    return nc;
  } catch (error) {
    await nc.close();
    throw error;
  }
};

const isRefused = (error: unknown): boolean =>
  error instanceof RefusedLoginError || error instanceof RefusedTlsError;

/**
 * Repeats until it succeeds: services may start before NATS, and JetStream before its leaders.
 * @param isFinal errors that waiting does not cure; thrown as they are
 * @throws BusUnavailableError after {@link START_TIMEOUT_MS}
 */
export const retryAtStart = async <Result>(
  run: () => Promise<Result>,
  isFinal: (error: unknown) => boolean,
  what: string,
): Promise<Result> => {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await run();
    } catch (cause) {
      if (isFinal(cause)) throw cause;
      if (Date.now() > deadline)
        throw new BusUnavailableError(
          `${what}: expected an answer within ${START_TIMEOUT_MS / 1_000} s, got ${(cause as Error).message}`,
          {
            cause,
          },
        );
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS));
    }
  }
};

const requireVersion = (nc: NatsConnection): void => {
  const version = nc.info?.version ?? 'none';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > MIN_SERVER.major || (major === MIN_SERVER.major && minor >= MIN_SERVER.minor)) return;
  throw new UnsupportedServerError(
    `expected nats-server ${MIN_SERVER.major}.${MIN_SERVER.minor} or later, got ${version}`,
  );
};
