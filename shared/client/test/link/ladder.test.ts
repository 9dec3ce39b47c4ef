import { describe, expect, test } from '@jest/globals';
import type { TransportKind } from '../../src/link/transport.ts';
import { Ladder, RUNG_TIMEOUT_MS } from '../../src/link/ladder.ts';
import { FakeTransport, readyFrame } from '../support/fake-transport.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** A ladder of fake transports, and what became of one attempt after the other. */
class Climb {
  readonly clock = new ManualClock();
  readonly opened: FakeTransport[] = [];
  readonly ladder: Ladder;
  /** what the owner of the link hears */
  readonly heard: string[] = [];
  #close: (code: number) => void = () => undefined;

  constructor(...kinds: readonly TransportKind[]) {
    const open = (kind: TransportKind) => (): FakeTransport => {
      const transport = new FakeTransport('jwt', kind);
      this.opened.push(transport);
      return transport;
    };
    this.ladder = new Ladder(
      kinds.map((kind) => ({ kind, open: open(kind) })),
      this.clock,
    );
  }

  async attempt(open = this.ladder.open): Promise<void> {
    this.heard.length = 0;
    const transport = open({ url: 'ws://edge/v1/ws', token: 'jwt' });
    this.#close = (code) => transport.close(code, '');
    transport.open({
      frame: ({ type }) => this.heard.push(`${transport.kind} ${type}`),
      broken: (error) => this.heard.push(error.message),
      closed: (code) => this.heard.push(`closed ${code}`),
    });
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
    this.clock.advance(RUNG_TIMEOUT_MS);
    await this.settle();
  }

  close(code: number): void {
    this.#close(code);
  }
}

const all = (): Climb => new Climb('websocket', 'sse', 'poll');

describe('an attempt', () => {
  test('goes down a rung when one is lost without a word, or is not ready in time', async () => {
    const climb = all();
    await climb.attempt();
    await climb.drop();
    await climb.wait();
    await climb.ready();
    expect(climb.kinds).toEqual(['websocket', 'sse', 'poll']);
    expect(climb.heard).toEqual(['poll ready']);
    expect(climb.clock.pending).toBe(0);
  });

  test('closes what was not ready in time, and hears no more of it', async () => {
    const climb = all();
    await climb.attempt();
    const [late] = climb.opened;
    await climb.wait();
    expect(late?.closedWith?.code).toBe(4008);
    late?.deliver(readyFrame());
    await climb.ready();
    expect(climb.heard).toEqual(['sse ready']);
  });

  test.each([1012, 1013, 4401, 4403])('takes %i for an answer, and stays', async (code) => {
    const climb = all();
    await climb.attempt();
    await climb.drop(code);
    expect(climb.kinds).toEqual(['websocket']);
    expect(climb.heard).toEqual([`closed ${code}`]);
    expect(climb.clock.pending).toBe(0);
  });

  test('that its owner closes goes no further', async () => {
    const climb = all();
    await climb.attempt();
    climb.close(1006);
    await climb.settle();
    expect(climb.kinds).toEqual(['websocket']);
    expect(climb.heard).toEqual(['closed 1006']);
  });

  test('is over when the last rung fails, and the next begins at the top', async () => {
    const climb = all();
    await climb.attempt();
    for (let i = 0; i < 3; i += 1) await climb.drop();
    expect(climb.heard).toEqual(['closed 1006']);
    await climb.attempt();
    expect(climb.kinds).toEqual(['websocket', 'sse', 'poll', 'websocket']);
  });

  test('waits on the last rung as long as its owner does', async () => {
    const climb = new Climb('websocket');
    await climb.attempt();
    await climb.wait();
    expect(climb.clock.pending).toBe(0);
    await climb.ready();
    expect(climb.heard).toEqual(['websocket ready']);
  });
});

describe('the next attempt', () => {
  test('begins where the last one got', async () => {
    const climb = all();
    await climb.attempt();
    await climb.drop();
    await climb.ready();
    await climb.drop();
    await climb.attempt();
    expect(climb.kinds).toEqual(['websocket', 'sse', 'sse']);
  });

  test('does not give up at once what has worked', async () => {
    const climb = all();
    await climb.attempt();
    await climb.ready();
    await climb.drop();
    await climb.attempt();
    await climb.drop();
    expect(climb.heard).toEqual(['closed 1006']);
    await climb.attempt();
    await climb.drop();
    expect(climb.kinds).toEqual(['websocket', 'websocket', 'websocket', 'sse']);
  });

  test('of the best alone changes nothing when it fails, and everything when it does not', async () => {
    const climb = all();
    await climb.attempt();
    await climb.drop();
    await climb.ready();
    const { openBest } = climb.ladder;
    await climb.attempt(openBest);
    await climb.drop();
    expect(climb.heard).toEqual(['closed 1006']);
    await climb.attempt();
    expect(climb.kinds).toEqual(['websocket', 'sse', 'websocket', 'sse']);
    await climb.attempt(openBest);
    await climb.ready();
    await climb.attempt();
    expect(climb.kinds).toEqual(['websocket', 'websocket']);
  });
});

test('of one transport alone there is no better one', () => {
  expect(new Climb('sse').ladder.openBest).toBeUndefined();
});

test('a transport that cannot be loaded is a lost connection', async () => {
  const clock = new ManualClock();
  const open = (): Promise<never> => Promise.reject(new Error('offline'));
  const transport = new Ladder([{ kind: 'sse', open }], clock).open({ url: 'ws://edge', token: 'jwt' });
  const closed = new Promise((resolve) =>
    transport.open({
      frame: () => undefined,
      broken: () => undefined,
      closed: (...args) => resolve(args),
    }),
  );
  expect(await closed).toEqual([1006, 'cannot load: offline']);
});
