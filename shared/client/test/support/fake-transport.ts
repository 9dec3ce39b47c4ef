import { DEFAULT_LIMITS } from '@sluice/protocol';
import type { ClientFrame, Limits, ReadyFrame, ServerFrame } from '@sluice/protocol';
import { connectOn } from '../../src/connect.ts';
import type { ConnectOptions } from '../../src/connect.ts';
import type { Client } from '../../src/client.ts';
import type { Page } from '../../src/connection/page-events.ts';
import type { Status } from '../../src/connection/status.ts';
import { Dialer } from '../../src/link/dialer.ts';
import type { Endpoint, Transport, TransportKind, TransportListener } from '../../src/link/transport.ts';
import { ManualClock } from './manual-clock.ts';

export const readyFrame = (limits: Partial<Limits> = {}): ReadyFrame => ({
  type: 'ready',
  connection: 'c1',
  user: 'ann',
  org: 'acme',
  expiresAt: 0,
  heartbeatMs: 20_000,
  limits: { ...DEFAULT_LIMITS, ...limits },
});

/** A transport whose server is the test. */
export class FakeTransport implements Transport {
  readonly kind: TransportKind;
  readonly token: string;
  readonly sent: ClientFrame[] = [];
  closedWith: { readonly code: number; readonly reason: string } | undefined;
  #listener: TransportListener | undefined;

  constructor(token: string, kind: TransportKind = 'websocket') {
    this.token = token;
    this.kind = kind;
  }

  open(listener: TransportListener): void {
    this.#listener = listener;
  }

  handOver(listener: TransportListener): void {
    if (this.#listener !== undefined) this.#listener = listener;
  }

  send(frame: ClientFrame): void {
    this.sent.push(frame);
  }

  close(code: number, reason: string): void {
    this.closedWith = { code, reason };
    this.drop(code, reason);
  }

  /** The server sends. */
  deliver(...frames: readonly ServerFrame[]): void {
    for (const frame of frames) this.#listener?.frame(frame);
  }

  /** The server, or the network, closes. */
  drop(code: number, reason = ''): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.closed(code, reason);
  }

  /** Frames of one type that the client sent. */
  all<Type extends ClientFrame['type']>(type: Type): readonly Extract<ClientFrame, { type: Type }>[] {
    return this.sent.filter((frame): frame is Extract<ClientFrame, { type: Type }> => frame.type === type);
  }

  /** Answers the newest request of a type. */
  answer(type: 'prompt' | 'message' | 'cancel' | 'unsubscribe', created?: boolean): void {
    const re = this.all(type).at(-1)?.id ?? '';
    this.deliver({ type: 'ok', re, ...(created === undefined ? {} : { created }) });
  }

  refuse(type: ClientFrame['type'], code: 'conflict' | 'unavailable' | 'forbidden', retryable = false): void {
    const re = this.all(type).at(-1)?.id ?? '';
    this.deliver({ type: 'error', re, code, message: code, retryable });
  }

  subscribed(session: string, rev = 0): void {
    this.deliver({ type: 'subscribed', session, rev, viewers: 1, items: [] });
  }
}

/** A client on a manual clock whose every connection is a {@link FakeTransport}. */
export class Bench {
  readonly clock = new ManualClock();
  readonly transports: FakeTransport[] = [];
  readonly statuses: Status[] = [];
  readonly errors: Error[] = [];
  readonly client: Client;

  /** @param kind of every transport but those tried in the background */
  constructor(options: Partial<ConnectOptions> = {}, page: Page = {}, kind: TransportKind = 'websocket') {
    this.client = connectOn(
      {
        clock: this.clock,
        page,
        WebSocket: undefined,
        dialer: {
          dial: this.#dialer(kind).dial,
          dialBest: kind === 'websocket' ? undefined : this.#dialer('websocket').dial,
        },
      },
      { url: 'ws://edge', token: 'jwt', onStatus: (status) => this.statuses.push(status), ...options },
    );
    this.client.on('error', (error) => this.errors.push(error));
  }

  /** The newest connection. */
  get transport(): FakeTransport {
    const transport = this.transports.at(-1);
    if (transport === undefined) throw new Error('nothing was opened yet');
    return transport;
  }

  #dialer(kind: TransportKind): Dialer {
    const open = ({ token }: Endpoint): FakeTransport => {
      const transport = new FakeTransport(token, kind);
      this.transports.push(transport);
      return transport;
    };
    return new Dialer([{ kind, open }], this.clock);
  }

  /** Lets promises settle: tokens are fetched asynchronously. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async goLive(limits: Partial<Limits> = {}): Promise<FakeTransport> {
    await this.settle();
    this.transport.deliver(readyFrame(limits));
    return this.transport;
  }

  /** Loses the link and comes back after the longest back-off. */
  async reconnect(code = 1006): Promise<FakeTransport> {
    this.transport.drop(code);
    this.clock.advance(10_000);
    return this.goLive();
  }
}
