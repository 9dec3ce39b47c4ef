import { describe, expect, test } from '@jest/globals';
import type { ClientFrame, ServerFrame } from '@sluice/protocol';
import { parseServerFrame } from '../../src/link/server-frame.ts';
import { HttpTransport } from '../../src/link/http.ts';
import { readyFrame } from '../support/fake-transport.ts';
import { ManualClock } from '../support/manual-clock.ts';

type Call = { readonly method: string; readonly path: string; readonly token: string; readonly body: string };

const refusal = (status: number, code: string): Response =>
  Response.json({ error: { code, message: code, retryable: false } }, { status });
const taken = (): Response => new Response(null, { status: 204 });

/** A transport whose edge is the test: it decides what each POST is answered with. */
class Bench {
  readonly clock = new ManualClock();
  readonly calls: Call[] = [];
  readonly heard: string[] = [];
  readonly transport: HttpTransport;
  answer: () => Response | Promise<Response> = taken;
  readonly #opening: () => Response;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly #stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (this.#controller = controller),
  });

  constructor(kind: 'sse' | 'poll' = 'sse', opening?: () => Response) {
    this.#opening = opening ?? (() => new Response(this.#stream));
    this.transport = new HttpTransport(kind, {
      url: 'wss://edge/base/v1/ws?x=1',
      token: 'jwt',
      clock: this.clock,
      parse: parseServerFrame,
      fetch: (url, init) => this.#fetch(url, init),
    });
    this.transport.open({
      frame: (frame) => this.heard.push(JSON.stringify(frame)),
      broken: (error) => this.heard.push(`broken ${error.message}`),
      closed: (code, reason) => this.heard.push(`closed ${code} ${reason}`),
    });
  }

  get posts(): readonly Call[] {
    return this.calls.filter(({ method }) => method === 'POST');
  }

  bytes(bytes: Uint8Array): void {
    this.#controller?.enqueue(bytes);
  }

  async deliver(...frames: readonly ServerFrame[]): Promise<void> {
    for (const frame of frames) this.bytes(new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`));
    await this.settle();
  }

  async live(heartbeatMs = 20_000): Promise<void> {
    await this.deliver({ type: 'open', connection: 'e.secret' }, { ...readyFrame(), heartbeatMs });
    this.heard.length = 0;
  }

  async send(...frames: readonly ClientFrame[]): Promise<void> {
    for (const frame of frames) this.transport.send(frame);
    await this.settle();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async #fetch(url: string, { method = '', headers, body, signal }: RequestInit): Promise<Response> {
    signal?.throwIfAborted();
    const { authorization = '' } = headers as Record<string, string>;
    const path = url.replace('https://edge/base/v1/connections', '');
    this.calls.push({ method, path, token: authorization, body: typeof body === 'string' ? body : '' });
    return path === '' ? this.#opening() : this.answer();
  }
}

const ack = (generation: string, seq: number): ClientFrame => ({
  type: 'ack',
  session: 's',
  generation,
  epoch: 0,
  seq,
});
const seqsIn = ({ body }: Call): number[] =>
  body.split('\n').map((line) => (JSON.parse(line) as { seq: number }).seq);
const PING: ClientFrame = { type: 'ping' };

describe('frames up', () => {
  test('go by POST, one request at a time: what comes meanwhile rides together in the next', async () => {
    const bench = new Bench();
    await bench.live();
    let release: (response: Response) => void = () => undefined;
    bench.answer = () => new Promise((resolve) => (release = resolve));
    await bench.send(PING, PING, ack('g', 1), PING);
    expect(bench.posts.map(({ path }) => path)).toEqual(['/e.secret/frames?after=0']);
    bench.answer = taken;
    release(taken());
    await bench.settle();
    expect(bench.posts.map(({ path }) => path)).toEqual([
      '/e.secret/frames?after=0',
      '/e.secret/frames?after=1',
    ]);
    expect(bench.posts[1]?.body.split('\n')).toHaveLength(3);
  });

  test('that are acks wait 100 ms for each other, the newest of each generation', async () => {
    const bench = new Bench();
    await bench.live();
    await bench.send(ack('a', 1), ack('b', 5), ack('a', 2), ack('a', 3));
    expect(bench.posts).toEqual([]);
    await bench.advance(100);
    expect(bench.posts.map(seqsIn)).toEqual([[5, 3]]);
    await bench.send(ack('a', 4), PING);
    expect(bench.posts).toHaveLength(2);
  });

  test('are sent again, the same, when there was no answer or no time; then the connection is lost', async () => {
    const bench = new Bench();
    await bench.live();
    const fates = [refusal(503, 'unavailable'), refusal(429, 'rate_limited'), undefined, taken()];
    bench.answer = () => fates.shift() ?? Promise.reject(new TypeError('fetch failed'));
    await bench.send(PING);
    for (let i = 0; i < 4; i += 1) await bench.advance(2_000);
    expect(new Set(bench.posts.map(({ path, body }) => path + body)).size).toBe(1);
    expect(bench.posts).toHaveLength(4);
    expect(bench.heard).toEqual([]);
    await bench.send(PING);
    for (let i = 0; i < 5; i += 1) await bench.advance(2_000);
    expect(bench.posts).toHaveLength(9);
    expect(bench.heard).toEqual(['closed 1006 no answer: fetch failed']);
    expect(bench.clock.pending).toBe(0);
  });

  test('carry a refreshed token from then on', async () => {
    const bench = new Bench();
    await bench.live();
    await bench.send({ type: 'auth', token: 'new' }, PING);
    expect(bench.calls.map(({ token }) => token)).toEqual(['Bearer jwt', 'Bearer new', 'Bearer new']);
  });

  test('are a ping when nothing else was said for a heartbeat', async () => {
    const bench = new Bench();
    await bench.live(1_000);
    await bench.advance(500);
    await bench.send(ack('g', 1));
    await bench.advance(600);
    expect(bench.posts).toHaveLength(1);
    await bench.advance(1_000);
    expect(bench.posts.map(({ body }) => body).slice(1)).toEqual(['{"type":"ping"}']);
  });
});

describe('frames down', () => {
  test('are put together from whatever pieces they come in', async () => {
    const bench = new Bench();
    await bench.live();
    const signal: ServerFrame = { type: 'signal', session: 's', user: 'zoë', data: 'line\nbreak 🚰' };
    for (const byte of new TextEncoder().encode(`: keep-alive\n\ndata: ${JSON.stringify(signal)}\n\n`))
      bench.bytes(Uint8Array.of(byte));
    await bench.settle();
    expect(bench.heard).toEqual([JSON.stringify(signal)]);
  });

  test('end with `close`, and its code', async () => {
    const bench = new Bench();
    await bench.live();
    await bench.deliver({ type: 'close', code: 4401, reason: 'expired' }, { type: 'pong' });
    expect(bench.heard).toEqual(['closed 4401 expired']);
    expect(bench.clock.pending).toBe(0);
  });

  test('that break a rule are told', async () => {
    const bench = new Bench();
    await bench.live();
    bench.bytes(new TextEncoder().encode('data: {"type":"ok"}\n\n'));
    await bench.settle();
    expect(bench.heard).toEqual(['broken frame ok: expected `re` to be a string']);
  });
});

describe('frames that are polled for', () => {
  const lines = (...frames: readonly ServerFrame[]): Uint8Array =>
    new TextEncoder().encode(frames.map((frame) => JSON.stringify(frame)).join('\n'));
  const pong: ServerFrame = { type: 'pong' };
  /** An answer that breaks off after these bytes. */
  const broken = (bytes: Uint8Array): Response => {
    const chunks = [bytes];
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.error(new TypeError('terminated'));
      else controller.enqueue(chunk);
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  };
  const opening = (): Response => Response.json({ type: 'open', connection: 'e.secret' });
  const polled = (answers: Response[]): Bench => {
    const bench = new Bench('poll', opening);
    // The last one is never given.
    bench.answer = () => answers.shift() ?? new Promise(() => undefined);
    return bench;
  };

  test('are asked for again from the first that did not come whole', async () => {
    const whole = lines(readyFrame(), pong, pong);
    const bench = polled([broken(whole.slice(0, -3)), Response.json(pong)]);
    await bench.settle();
    expect(bench.calls.map(({ path }) => path)).toEqual([
      '',
      ...[0, 2, 3].map((after) => `/e.secret/frames?after=${after}`),
    ]);
    expect(bench.heard).toEqual([readyFrame(), pong, pong].map((frame) => JSON.stringify(frame)));
  });

  test('and of which none came whole are a connection lost', async () => {
    const bench = polled([broken(lines(readyFrame()).slice(0, -1))]);
    await bench.settle();
    expect(bench.heard).toEqual(['closed 1006 terminated']);
  });
});

describe('an opening that is refused', () => {
  test.each([
    ['by the edge with 401', () => refusal(401, 'unauthorized'), 'closed 4401'],
    ['by the edge with 403', () => refusal(403, 'forbidden'), 'closed 4403'],
    ['by the edge with 503', () => refusal(503, 'unavailable'), 'closed 1013'],
    ['since it has no such path', () => refusal(404, 'not_found'), 'closed 4404'],
    ['by a server that is no edge', () => new Response('<h1>404</h1>', { status: 404 }), 'closed 4404'],
    ['by something else', () => new Response('<h1>Blocked</h1>', { status: 403 }), 'closed 1006'],
    ['with a page to log in', () => new Response('<h1>Hotel</h1>\n'), 'closed 1006'],
  ])('%s', async (_name, opening, expected) => {
    for (const kind of ['sse', 'poll'] as const) {
      const bench = new Bench(kind, opening);
      await bench.settle();
      expect(bench.heard.map((line) => line.split(' ', 2).join(' '))).toEqual([expected]);
      expect(bench.clock.pending).toBe(0);
    }
  });
});

test('closing sends what is left, then leaves', async () => {
  const bench = new Bench();
  await bench.live();
  await bench.send(ack('g', 7));
  bench.transport.close(1000, 'bye');
  await bench.settle();
  expect(bench.calls.slice(1).map(({ method, path }) => `${method} ${path}`)).toEqual([
    'POST /e.secret/frames?after=0',
    'DELETE /e.secret',
  ]);
  expect(bench.heard).toEqual(['closed 1000 bye']);
  expect(bench.clock.pending).toBe(0);
});

test('closing waits 2 s for an edge that does not answer', async () => {
  const bench = new Bench();
  await bench.live();
  bench.answer = () => new Promise(() => undefined);
  bench.transport.close(1000, 'bye');
  await bench.advance(1_999);
  expect(bench.heard).toEqual([]);
  await bench.advance(1);
  expect(bench.heard).toEqual(['closed 1000 bye']);
  expect(bench.clock.pending).toBe(0);
});

test('the end of the connection is that of a request under way: it is not made again', async () => {
  const bench = new Bench();
  await bench.live();
  let abort: (error: Error) => void = () => undefined;
  bench.answer = () => new Promise((_, reject) => (abort = reject));
  await bench.send(PING);
  await bench.deliver({ type: 'close', code: 1000, reason: 'gone' });
  abort(new Error('aborted'));
  await bench.settle();
  expect(bench.posts).toHaveLength(1);
  expect(bench.clock.pending).toBe(0);
});
