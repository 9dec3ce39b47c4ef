import { describe, expect, test } from '@jest/globals';
import { Dialer } from '../../src/link/dialer.ts';
import type { Dialing } from '../../src/link/dialer.ts';
import type { Transport, TransportKind } from '../../src/link/transport.ts';
import { FakeTransport, readyFrame } from '../support/fake-transport.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** A dialer of fake transports, and what became of one attempt after the other. */
class Dials {
  readonly clock = new ManualClock();
  readonly opened: FakeTransport[] = [];
  readonly dialer: Dialer;
  /** what the listener of the attempt hears */
  readonly heard: string[] = [];
  /** the transport that was found */
  found: Transport | undefined;
  #dialing: Dialing | undefined;

  constructor(...kinds: readonly TransportKind[]) {
    const open = (kind: TransportKind) => (): FakeTransport => {
      const transport = new FakeTransport('jwt', kind);
      this.opened.push(transport);
      return transport;
    };
    this.dialer = new Dialer(
      kinds.map((kind) => ({ kind, open: open(kind) })),
      this.clock,
    );
  }

  async attempt(dial = this.dialer.dial): Promise<void> {
    this.heard.length = 0;
    this.#dialing = dial(
      { url: 'ws://edge/v1/ws', token: 'jwt' },
      {
        ready: (transport, { type }) => {
          this.found = transport;
          transport.handOver({ frame: () => undefined, broken: () => undefined, closed: () => undefined });
          this.heard.push(`${transport.kind} ${type}`);
        },
        broken: (error) => this.heard.push(error.message),
        closed: (code) => this.heard.push(`failed ${code}`),
      },
    );
    await this.settle();
  }

  get kinds(): readonly TransportKind[] {
    return this.opened.splice(0).map(({ kind }) => kind);
  }

  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async ready(): Promise<void> {
    this.opened.at(-1)?.deliver(readyFrame());
    await this.settle();
  }

  async drop(code = 1006): Promise<void> {
    this.opened.at(-1)?.drop(code);
    await this.settle();
  }

  async wait(): Promise<void> {
    this.clock.advance(4_000);
    await this.settle();
  }

  async close(code: number): Promise<void> {
    await this.#dialing?.close(code, '');
  }
}

const all = (): Dials => new Dials('websocket', 'sse', 'poll');

describe('an attempt', () => {
  test('falls back when a transport is lost without a word, or is not ready in time', async () => {
    const dials = all();
    await dials.attempt();
    await dials.drop();
    await dials.wait();
    await dials.ready();
    expect(dials.kinds).toEqual(['websocket', 'sse', 'poll']);
    expect(dials.heard).toEqual(['poll ready']);
    expect(dials.clock.pending).toBe(0);
  });

  test('closes what was not ready in time, and hears no more of it', async () => {
    const dials = all();
    await dials.attempt();
    const [late] = dials.opened;
    await dials.wait();
    expect(late?.closedWith?.code).toBe(4008);
    late?.deliver(readyFrame());
    await dials.ready();
    expect(dials.heard).toEqual(['sse ready']);
  });

  test.each([1012, 1013, 4401, 4403])('takes %i for an answer, and stays', async (code) => {
    const dials = all();
    await dials.attempt();
    await dials.drop(code);
    expect(dials.kinds).toEqual(['websocket']);
    expect(dials.heard).toEqual([`failed ${code}`]);
    expect(dials.clock.pending).toBe(0);
  });

  test('that its owner closes goes no further, and says nothing more', async () => {
    const dials = all();
    await dials.attempt();
    await dials.close(1006);
    await dials.settle();
    expect(dials.opened[0]?.closedWith?.code).toBe(1006);
    expect(dials.kinds).toEqual(['websocket']);
    expect(dials.heard).toEqual([]);
    expect(dials.clock.pending).toBe(0);
  });

  test('gives the transport away: its new owner hears all that follows, and the attempt nothing', async () => {
    const dials = all();
    await dials.attempt();
    await dials.ready();
    expect(dials.found).toBe(dials.opened[0]);
    const heard: string[] = [];
    dials.found?.handOver({
      frame: ({ type }) => heard.push(type),
      broken: () => undefined,
      closed: (code) => heard.push(`closed ${code}`),
    });
    dials.opened[0]?.deliver({ type: 'pong' });
    await dials.drop();
    expect(heard).toEqual(['pong', 'closed 1006']);
    expect(dials.heard).toEqual(['websocket ready']);
    expect(dials.kinds).toEqual(['websocket']);
  });

  test('is over when the last transport fails, and the next begins with the first', async () => {
    const dials = all();
    await dials.attempt();
    for (let i = 0; i < 3; i += 1) await dials.drop();
    expect(dials.heard).toEqual(['failed 1006']);
    await dials.attempt();
    expect(dials.kinds).toEqual(['websocket', 'sse', 'poll', 'websocket']);
  });

  test('waits for the last transport as long as its owner does', async () => {
    const dials = new Dials('websocket');
    await dials.attempt();
    await dials.wait();
    expect(dials.clock.pending).toBe(0);
    await dials.ready();
    expect(dials.heard).toEqual(['websocket ready']);
  });
});

describe('the next attempt', () => {
  test('begins where the last one got', async () => {
    const dials = all();
    await dials.attempt();
    await dials.drop();
    await dials.ready();
    await dials.drop();
    await dials.attempt();
    expect(dials.kinds).toEqual(['websocket', 'sse', 'sse']);
  });

  test('does not give up at once what has worked', async () => {
    const dials = all();
    await dials.attempt();
    await dials.ready();
    await dials.drop();
    await dials.attempt();
    await dials.drop();
    expect(dials.heard).toEqual(['failed 1006']);
    await dials.attempt();
    await dials.drop();
    expect(dials.kinds).toEqual(['websocket', 'websocket', 'websocket', 'sse']);
  });

  test('of the best alone changes nothing when it fails, and everything when it does not', async () => {
    const dials = all();
    await dials.attempt();
    await dials.drop();
    await dials.ready();
    const { dialBest } = dials.dialer;
    await dials.attempt(dialBest);
    await dials.drop();
    expect(dials.heard).toEqual(['failed 1006']);
    await dials.attempt();
    expect(dials.kinds).toEqual(['websocket', 'sse', 'websocket', 'sse']);
    await dials.attempt(dialBest);
    await dials.ready();
    await dials.attempt();
    expect(dials.kinds).toEqual(['websocket', 'websocket']);
  });
});

test('of one transport alone there is no better one', () => {
  expect(new Dials('sse').dialer.dialBest).toBeUndefined();
});

test('a transport that cannot be loaded is a lost connection', async () => {
  const clock = new ManualClock();
  const open = (): Promise<never> => Promise.reject(new Error('offline'));
  const dialer = new Dialer([{ kind: 'sse', open }], clock);
  const failed = new Promise((resolve) =>
    dialer.dial(
      { url: 'ws://edge', token: 'jwt' },
      { ready: () => undefined, broken: () => undefined, closed: (...args) => resolve(args) },
    ),
  );
  expect(await failed).toEqual([1006, 'cannot load: offline']);
});
