import { DEFAULT_LIMITS } from '@sluice/protocol';
import type { AckPolicy } from './generation/ack-schedule.ts';
import { Client } from './client.ts';
import type { Clock } from './clock.ts';
import type { ConnectionOptions, StartUpgrade } from './connection/edge-connection.ts';
import { Credential } from './connection/credential.ts';
import type { TokenSource } from './connection/credential.ts';
import type { Page } from './connection/page-events.ts';
import { DEFAULT_BACKOFF } from './connection/reconnect-state.ts';
import type { Backoff } from './connection/reconnect-state.ts';
import { parseServerFrame } from './link/server-frame.ts';
import type { Status } from './connection/status.ts';
import type { TransportKind } from './link/transport.ts';
import type { Fetch } from './link/http-calls.ts';
import { Dialer } from './link/dialer.ts';
import type { Candidate } from './link/dialer.ts';
import { WebSocketTransport } from './link/websocket.ts';
import type { WebSocketConstructor } from './link/websocket.ts';

export type ConnectOptions = {
  /**
   * Where the edges are, with a path where they have one: `https://host` or `https://host/sluice`. `http(s)` and `ws(s)` are the
   * same, and so are `https://host` and `wss://host/v1/ws`
   */
  readonly url: string;
  /** JWT, or the function that gets one: asked at first, when it is about to expire, and when it is refused */
  readonly token: TokenSource;
  /** most un-acked delta frames in flight for each session, 1..256; default 32 */
  readonly window?: number;
  /**
   * What an ack means. `received` (default): the frame is here and applied. `consumed`: an iterator of the
   * application is through with it, so a slow application slows the engine down; mind that then a generation
   * nobody iterates stops after one window.
   */
  readonly ack?: AckPolicy;
  readonly backoff?: Partial<Backoff>;
  readonly onStatus?: (status: Status) => void;
  /**
   * What may carry the connection, best first; default `['websocket', 'sse', 'poll']`. The next one is tried when
   * one gets no answer, and the first one again now and then.
   */
  readonly transports?: readonly TransportKind[];
  /** default the global one, or `ws` in Node */
  readonly WebSocket?: WebSocketConstructor;
  /** for `sse` and `poll`; default the global one */
  readonly fetch?: Fetch;
};

/** What a platform brings along. */
export type Platform = {
  readonly clock: Clock;
  readonly page: Page;
  readonly WebSocket: WebSocketConstructor | undefined;
  /** in place of the real transports */
  readonly dialer?: Pick<Dialer, 'dial' | 'dialBest'>;
};

const ALL_TRANSPORTS: readonly TransportKind[] = ['websocket', 'sse', 'poll'];

/**
 * Connects on a given platform; applications use an entry's `connect`.
 * @throws TypeError for a url that is none, a window out of range, or a platform without WebSocket
 */
export const connectOn = (platform: Platform, options: ConnectOptions): Client => {
  const { token, window = DEFAULT_LIMITS.defaultWindow, ack = 'received', backoff, onStatus } = options;
  if (!Number.isInteger(window) || window < 1 || window > DEFAULT_LIMITS.maxWindow)
    throw new TypeError(`window: expected 1..${DEFAULT_LIMITS.maxWindow}, got ${window}`);
  const { clock, page } = platform;
  const { dial, dialBest } = platform.dialer ?? new Dialer(candidatesOf(platform, options), clock);
  const common = {
    url: socketUrl(options.url),
    credential: new Credential(token),
    backoff: { ...DEFAULT_BACKOFF, ...backoff },
    clock,
  };
  const startUpgrade: StartUpgrade | undefined =
    dialBest &&
    (async (found) => {
      // It is here already: the lesser transport came with it.
      const { Upgrade } = await import('./fallback.ts');
      return new Upgrade({ ...common, dialBest, found });
    });
  const upload: ConnectionOptions['upload'] = async (prompt) =>
    (await import('./fallback.ts')).putPrompt({ ...prompt, fetch: fetchOf(options) });
  const client = new Client({ ...common, window, ack, page, dial, startUpgrade, upload });
  if (onStatus !== undefined) client.on('status', onStatus);
  return client;
};

const fetchOf = ({ fetch = (url, init) => globalThis.fetch(url, init) }: ConnectOptions): Fetch => fetch;

const candidatesOf = (platform: Platform, options: ConnectOptions): readonly Candidate[] => {
  const { transports = ALL_TRANSPORTS, WebSocket = platform.WebSocket } = options;
  const fetch = fetchOf(options);
  return transports.map((kind) => {
    if (kind !== 'websocket')
      return {
        kind,
        open: async (endpoint) => {
          const { HttpTransport } = await import('./fallback.ts');
          return new HttpTransport(kind, {
            ...endpoint,
            fetch,
            clock: platform.clock,
            parse: parseServerFrame,
          });
        },
      };
    if (WebSocket === undefined) throw new TypeError('WebSocket: this platform has none; pass one');
    return { kind, open: (endpoint) => new WebSocketTransport({ ...endpoint, WebSocket }) };
  });
};

const socketUrl = (text: string): string => {
  const url = new URL(text);
  if (url.protocol === 'http:' || url.protocol === 'https:')
    url.protocol = url.protocol.replace('http', 'ws');
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:')
    throw new TypeError(`url: expected ws, wss, http or https, got ${url.protocol}`);
  if (!url.pathname.endsWith('/ws')) url.pathname = url.pathname.replace(/\/(v1\/?)?$/, '') + '/v1/ws';
  return url.href;
};
