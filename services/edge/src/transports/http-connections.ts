import type { ServerResponse } from 'node:http';
import { SluiceError } from '@sluice/protocol';
import type { Caller, Grant } from '../auth/grant.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { encodeFrame } from '../feeds/frames.ts';
import { newConnectionId } from './connection-id.ts';
import type { Downlink, DownlinkListener } from './downlink.ts';
import { HttpConnection } from './http-connection.ts';
import { PollDownlink } from './poll-downlink.ts';
import { StreamDownlink } from './stream-downlink.ts';
import { AWAY_MS, LAST_CLOSE_TIMEOUT_MS } from './transport.ts';
import type { Transport } from './transport.ts';

/** Who reads a stream and sends nothing for so many heartbeats is gone, as who misses two pings. */
const SILENT_HEARTBEATS = 3;

/** Frames may come by way of another edge, in a message of NATS's; a larger prompt is a request of its own. */
export const MAX_FRAME_BYTES = 256 * 1024;

type OpenOptions = {
  readonly grant: Grant;
  readonly transport: 'sse' | 'poll';
  readonly open: (id: string, listener: DownlinkListener) => Downlink;
};

/** The connections over HTTP of an edge, for clients that get no WebSocket through. */
export class HttpConnections implements Transport {
  readonly #context: EdgeContext;
  readonly #connections = new Map<string, HttpConnection>();
  #accepting = true;

  constructor(context: EdgeContext) {
    const { limits } = context;
    const maxFrameBytes = Math.min(limits.maxFrameBytes, MAX_FRAME_BYTES);
    this.#context = { ...context, limits: { ...limits, maxFrameBytes } };
  }

  /**
   * Opens a connection whose frames are a response's events.
   * @param begin sends the response's head
   * @throws SluiceError unavailable, and then nothing was begun
   */
  openStream(grant: Grant, begin: () => ServerResponse): void {
    const { clock } = this.#context;
    const open: OpenOptions['open'] = (connection, listener) => {
      const down = new StreamDownlink(begin(), clock.now(), listener);
      down.write(encodeFrame({ type: 'open', connection }).payload);
      return down;
    };
    this.#open({ grant, transport: 'sse', open });
  }

  /** Opens a connection whose frames are asked for. @returns its id @throws SluiceError unavailable */
  openPoll(grant: Grant): string {
    const { clock } = this.#context;
    const open: OpenOptions['open'] = (_connection, listener) => new PollDownlink(clock, listener);
    return this.#open({ grant, transport: 'poll', open });
  }

  find(id: string, caller: Caller): HttpConnection | undefined {
    const found = this.#connections.get(id);
    return found?.isOf(caller) === true ? found : undefined;
  }

  /** Called about once a second. */
  tick(now: number): void {
    for (const connection of this.#connections.values()) connection.tick(now);
  }

  /** Refuses new connections; those open are told to reconnect within `spreadMs`, and closed then. */
  async drain(spreadMs: number): Promise<void> {
    this.#accepting = false;
    await Promise.all([...this.#connections.values()].map((one) => one.goaway(Math.random() * spreadMs)));
  }

  /** Closes every connection. Resolves when all are gone: at once, but for clients that do not read. */
  async close(): Promise<void> {
    this.#accepting = false;
    await Promise.all([...this.#connections.values()].map((one) => one.shutdown(LAST_CLOSE_TIMEOUT_MS)));
  }

  #open({ grant, transport, open }: OpenOptions): string {
    if (!this.#accepting)
      throw new SluiceError('unavailable', 'the server restarts', { retryAfterMs: AWAY_MS });
    const { connections } = this.#context;
    connections.enter(transport);
    const id = newConnectionId(this.#context.edge);
    const onGone = (): void => {
      if (this.#connections.delete(id)) connections.leave(transport);
    };
    const maxSilenceMs = transport === 'sse' ? SILENT_HEARTBEATS * this.#context.heartbeatMs : Infinity;
    const options = { grant, context: this.#context, maxSilenceMs, onGone };
    const connection = new HttpConnection({ ...options, open: (listener) => open(id, listener) });
    this.#connections.set(id, connection);
    connection.begin();
    return id;
  }
}
