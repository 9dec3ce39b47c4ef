import { DEFAULT_LIMITS } from '@sluice/protocol';
import type { AckPolicy } from './generation/acker.ts';
import { Client } from './client.ts';
import type { Clock } from './clock.ts';
import { Credential } from './connection/credential.ts';
import type { TokenSource } from './connection/credential.ts';
import type { Page } from './connection/page-events.ts';
import { DEFAULT_BACKOFF } from './connection/reconnect.ts';
import type { Backoff } from './connection/reconnect.ts';
import { parseServerFrame } from './link/server-frame.ts';
import type { Status } from './connection/status.ts';
import type { TransportKind } from './link/transport.ts';
import type { Fetch } from './link/http-calls.ts';
import { Ladder } from './link/ladder.ts';
import type { Rung } from './link/ladder.ts';
import { WebSocketTransport } from './link/websocket.ts';
import type { WebSocketConstructor } from './link/websocket.ts';

export type ConnectOptions = {
  /** `wss://host/v1/ws`; `http(s)` is read as `ws(s)`, and a url without a path gets `/v1/ws` */
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
  readonly ladder?: Pick<Ladder, 'open' | 'openBest'>;
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
  const { open, openBest } = platform.ladder ?? new Ladder(rungsOf(platform, options), platform.clock);
  const client = new Client({
    url: socketUrl(options.url),
    credential: new Credential(token),
    window,
    ack,
    backoff: { ...DEFAULT_BACKOFF, ...backoff },
    clock: platform.clock,
    page: platform.page,
    openTransport: open,
    openBest,
  });
  if (onStatus !== undefined) client.on('status', onStatus);
  return client;
};

const rungsOf = (platform: Platform, options: ConnectOptions): readonly Rung[] => {
  const { transports = ALL_TRANSPORTS, WebSocket = platform.WebSocket } = options;
  const { fetch = (url, init) => globalThis.fetch(url, init) } = options;
  return transports.map((kind) => {
    if (kind !== 'websocket')
      return {
        kind,
        open: async (target) => {
          const { HttpTransport } = await import('./fallback.ts');
          return new HttpTransport(kind, {
            ...target,
            fetch,
            clock: platform.clock,
            parse: parseServerFrame,
          });
        },
      };
    if (WebSocket === undefined)
      throw new TypeError('WebSocket: this platform has none; pass one, or import @sluice/client/node');
    return { kind, open: (target) => new WebSocketTransport({ ...target, WebSocket }) };
  });
};

const socketUrl = (text: string): string => {
  const url = new URL(text);
  if (url.protocol === 'http:' || url.protocol === 'https:')
    url.protocol = url.protocol.replace('http', 'ws');
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:')
    throw new TypeError(`url: expected ws, wss, http or https, got ${url.protocol}`);
  if (url.pathname === '/') url.pathname = '/v1/ws';
  return url.href;
};
