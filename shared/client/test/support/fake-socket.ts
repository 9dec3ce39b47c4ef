import type { ClientFrame, ServerFrame } from '@sluice/protocol';
import { connectOn } from '../../src/connect.ts';
import type { Client } from '../../src/client.ts';
import { readyFrame } from './fake-transport.ts';
import { ManualClock } from './manual-clock.ts';

type Listener = (event: { data: unknown; code: number; reason: string }) => void;

/** A socket whose other end is the test. */
export class FakeSocket {
  static newest: FakeSocket | undefined;
  static sent: (frame: ClientFrame) => void = () => undefined;
  readonly protocol = 'sluice.v1';
  readonly readyState = 1;
  readonly #listeners = new Map<string, Listener>();

  constructor() {
    FakeSocket.newest = this;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener);
  }

  send(text: string): void {
    FakeSocket.sent(JSON.parse(text) as ClientFrame);
  }

  close(): void {
    this.#listeners.get('close')?.({ data: undefined, code: 1000, reason: '' });
  }

  deliver(frame: ServerFrame): void {
    this.deliverText(JSON.stringify(frame));
  }

  /** Whatever a server may send. */
  deliverText(text: string): void {
    this.#listeners.get('message')?.({ data: text, code: 0, reason: '' });
  }
}

type Attached = {
  readonly client: Client;
  readonly clock: ManualClock;
  readonly socket: FakeSocket;
};

/** A live client with session `s` subscribed, over a {@link FakeSocket}. */
export const attachedOverSocket = async (): Promise<Attached> => {
  const clock = new ManualClock();
  const client = connectOn({ clock, page: {}, WebSocket: FakeSocket }, { url: 'ws://edge', token: 'jwt' });
  void client.session('s').subscribe();
  await new Promise((resolve) => setImmediate(resolve));
  const socket = FakeSocket.newest;
  if (socket === undefined) throw new Error('nothing was opened');
  socket.deliver(readyFrame());
  socket.deliver({ type: 'subscribed', session: 's', rev: 0, viewers: 1, items: [] });
  return { client, clock, socket };
};
