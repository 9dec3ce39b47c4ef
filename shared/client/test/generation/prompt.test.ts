import { describe, expect, test } from '@jest/globals';
import { DetachedError, GenerationFailedError, RequestError } from '../../src/errors.ts';
import { Bench } from '../support/fake-transport.ts';
import { attached, delta, end, item } from '../support/session-frames.ts';

describe('a prompt', () => {
  test('subscribes, is sent, and its text arrives', async () => {
    const bench = new Bench();
    const generation = bench.client.session('s').prompt({ input: 'hi', model: 'm', generation: 'g' });
    const transport = await bench.goLive();
    expect(transport.sent).toEqual([
      { type: 'subscribe', session: 's', positions: { g: { epoch: 0, seq: 0 } }, window: 32, id: 'r2' },
      { type: 'prompt', session: 's', generation: 'g', input: 'hi', model: 'm', id: 'r1' },
    ]);
    transport.subscribed('s');
    transport.answer('prompt', true);
    transport.deliver({ type: 'item', session: 's', rev: 1, item: item(1, { status: 'queued' }) });
    const seen: string[] = [];
    generation.on('delta', ({ text }) => seen.push(text));
    transport.deliver(delta(0, 2, 'Hel'), delta(2, 3, 'lo'), end(3, { usage: { completion_tokens: 3 } }));
    expect(await generation.done).toBe('Hello');
    expect(await generation.accepted).toEqual({ created: true });
    expect(await generation.end).toEqual({
      epoch: 0,
      seq: 3,
      reason: 'stop',
      usage: { completion_tokens: 3 },
    });
    expect([seen, generation.status, generation.position.seq]).toEqual([['Hel', 'lo'], 'done', 3]);
  });

  test('is sent again, the same, over reconnects until it is answered, and then no more', async () => {
    const bench = new Bench();
    const session = bench.client.session('s');
    const generation = session.prompt({ input: 'hi', generation: 'g' });
    const said = session.message('hello', { id: 'm1' });
    const first = await bench.goLive();
    const second = await bench.reconnect();
    expect(second.all('prompt')).toEqual(first.all('prompt'));
    expect(second.all('message')).toEqual(first.all('message'));
    expect(second.sent[0]?.type).toBe('subscribe');
    second.answer('prompt', true);
    second.answer('message');
    expect(await said).toBe('m1');
    const third = await bench.reconnect();
    expect([third.all('prompt'), third.all('message')]).toEqual([[], []]);
    expect(third.all('subscribe')[0]?.positions).toEqual({ g: { epoch: 0, seq: 0 } });
    generation.detach();
  });

  test('that is refused rejects its promises with code and retryable', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt('hi');
    transport.refuse('prompt', 'conflict');
    await expect(generation.end).rejects.toBeInstanceOf(RequestError);
    await expect(generation.done).rejects.toMatchObject({ code: 'conflict', retryable: false });
    const iterate = async (): Promise<void> => {
      for await (const _ of generation) throw new Error('expected nothing');
    };
    await expect(iterate()).rejects.toMatchObject({ code: 'conflict' });
  });

  // compat(sluice): retry
  test('that cannot be taken for the moment is sent again under the same id, for as long as patience lasts', async () => {
    const { bench, transport } = await attached();
    const session = bench.client.session('s');
    const generation = session.prompt({ input: 'hi', generation: 'g' });
    transport.refuse('prompt', 'unavailable', true);
    bench.clock.advance(2_000);
    expect(transport.all('prompt')).toHaveLength(2);
    expect(transport.all('prompt')[1]).toEqual(transport.all('prompt')[0]);
    transport.answer('prompt', true);
    expect(await generation.accepted).toEqual({ created: true });
    const hopeless = session.prompt({ input: 'ho', generation: 'h' });
    for (let tries = 0; tries < 20; tries += 1) {
      if (transport.all('prompt').length > 2 + tries) transport.refuse('prompt', 'unavailable', true);
      bench.clock.advance(2_000);
    }
    await expect(hopeless.accepted).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    expect(transport.all('prompt').length).toBeLessThanOrEqual(2 + 16);
  });

  test('refused for the moment goes out again at once on a new connection, and only once', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    transport.refuse('prompt', 'unavailable', true);
    const next = await bench.reconnect();
    bench.clock.advance(5_000);
    expect(next.all('prompt')).toHaveLength(1);
    generation.detach();
  });

  describe('larger than a frame may be', () => {
    const input = 'é'.repeat(500);
    /** A client whose requests get these answers, one after the other. */
    const uploading = async (...answers: readonly (Response | Error)[]) => {
      const calls: { url: string; options: RequestInit }[] = [];
      const fetch = async (url: string, options: RequestInit): Promise<Response> => {
        const answer = answers[calls.push({ url, options }) - 1];
        if (answer instanceof Response) return answer;
        throw answer ?? new Error('expected no more requests');
      };
      const bench = new Bench({ url: 'wss://edge/v1/ws', fetch });
      await bench.goLive({ maxFrameBytes: 1_000 });
      return { bench, calls };
    };
    const refusal = (status: number, code: string, retryable: boolean): Response =>
      new Response(JSON.stringify({ error: { code, message: code, retryable } }), { status });

    test('goes as a request of its own, and is parked without a viewer as any other', async () => {
      const { bench, calls } = await uploading(new Response('{}', { status: 201 }));
      const generation = bench.client.session('s').prompt({ input, generation: 'g' });
      expect(await generation.accepted).toEqual({ created: true });
      expect(bench.transport.all('prompt')).toEqual([]);
      expect(calls).toMatchObject([
        {
          url: 'https://edge/v1/sessions/s/generations/g',
          options: { method: 'PUT', headers: { authorization: 'Bearer jwt' } },
        },
      ]);
      expect(calls[0]?.options.body).toBe(JSON.stringify({ onAbandon: 'park', input }));
    });

    test('is sent again where no answer came or none could be given, and not after a refusal', async () => {
      const { bench, calls } = await uploading(
        new Error('lost'),
        refusal(503, 'unavailable', true),
        refusal(413, 'too_large', false),
      );
      const generation = bench.client.session('s').prompt({ input, generation: 'g' });
      const refused = expect(generation.accepted).rejects.toMatchObject({ code: 'too_large' });
      for (let tries = 0; tries < 4; tries += 1) {
        for (let turns = 0; turns < 5; turns += 1) await bench.settle();
        bench.clock.advance(2_000);
      }
      await refused;
      expect(calls).toHaveLength(3);
    });

    test('is one request however often the connection is lost meanwhile', async () => {
      let answer: (response: Response) => void = () => undefined;
      let calls = 0;
      const fetch = (): Promise<Response> => {
        calls += 1;
        return new Promise((resolve) => (answer = resolve));
      };
      const bench = new Bench({ fetch });
      await bench.goLive({ maxFrameBytes: 1_000 });
      const generation = bench.client.session('s').prompt({ input });
      for (let turns = 0; turns < 5; turns += 1) await bench.settle();
      await bench.reconnect();
      for (let turns = 0; turns < 5; turns += 1) await bench.settle();
      answer(new Response('{}', { status: 200 }));
      expect(await generation.accepted).toEqual({ created: false });
      expect(calls).toBe(1);
    });
  });

  test('is the only thing that may be larger than a frame', async () => {
    const bench = new Bench();
    await bench.goLive({ maxFrameBytes: 1_000 });
    await expect(bench.client.session('s').message('é'.repeat(500))).rejects.toMatchObject({
      code: 'too_large',
    });
    expect(bench.transport.all('message')).toEqual([]);
  });

  test('needs exactly one source and possible ids', () => {
    const session = new Bench().client.session('s');
    expect(() => session.prompt({})).toThrow(TypeError);
    expect(() => session.prompt({ input: 'a', messages: [] })).toThrow(TypeError);
    expect(() => session.prompt({ input: 'a', generation: 'a.b' })).toThrow(TypeError);
  });

  test('of an id that exists already asks for its item', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    transport.answer('prompt', false);
    await bench.settle();
    expect(transport.all('subscribe')).toHaveLength(2);
    const whole = item(4, { status: 'done', reason: 'length', seq: 2, text: 'Hi' });
    transport.deliver({ type: 'subscribed', session: 's', rev: 4, viewers: 1, items: [whole] });
    expect(await generation.done).toBe('Hi');
    expect((await generation.end).reason).toBe('length');
  });

  test('under an id that answers another prompt rejects, and shows nothing of that answer', async () => {
    const whole = item(4, { status: 'done', reason: 'stop', seq: 1, text: 'secret' });
    const { bench, transport } = await attached([whole], 4);
    const session = bench.client.session('s');
    const generation = session.prompt({ input: 'other', generation: 'g' });
    const first = generation[Symbol.asyncIterator]().next();
    transport.refuse('prompt', 'conflict');
    await expect(first).rejects.toMatchObject({ code: 'conflict' });
    await expect(generation.done).rejects.toMatchObject({ code: 'conflict' });
    expect(await session.generation('g').done).toBe('secret');
  });

  test('that runs is not lost when its repetition is refused for the moment', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    transport.deliver({ type: 'item', session: 's', rev: 1, item: item(1) });
    const again = await bench.reconnect();
    again.subscribed('s', 1);
    again.refuse('prompt', 'unavailable', true);
    bench.clock.advance(2_000);
    again.answer('prompt', false);
    again.deliver(delta(0, 1, 'a'), end(1));
    expect(await generation.done).toBe('a');
  });

  test('lets the session go when nothing else wants it', async () => {
    const bench = new Bench();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    const transport = await bench.goLive();
    transport.subscribed('s');
    transport.answer('prompt', true);
    transport.deliver(delta(0, 1, 'a'), end(1));
    await generation.end;
    await bench.settle();
    expect(transport.sent.map(({ type }) => type)).toEqual(['subscribe', 'prompt', 'ack', 'unsubscribe']);
  });
});

describe('cancel and detach', () => {
  test('cancel is sent again until it is answered', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    transport.answer('prompt', true);
    const cancelled = generation.cancel();
    await bench.settle();
    const again = await bench.reconnect();
    expect(again.all('cancel')).toEqual(transport.all('cancel'));
    again.answer('cancel');
    await cancelled;
    again.subscribed('s');
    again.deliver(
      delta(0, 1, 'a'),
      end(1, { reason: 'cancelled', receipt: { tokensAfterCancel: 1, msToAbort: 5 } }),
    );
    expect(await generation.end).toMatchObject({ reason: 'cancelled', receipt: { tokensAfterCancel: 1 } });
    expect(await generation.done).toBe('a');
    await generation.cancel();
    expect(again.all('cancel')).toHaveLength(1);
  });

  test('cancel waits for its prompt, which is sent again when it is refused for the moment', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    const cancelled = generation.cancel();
    transport.refuse('prompt', 'unavailable', true);
    await bench.settle();
    expect(transport.all('cancel')).toEqual([]);
    bench.clock.advance(2_000);
    expect(transport.all('prompt')).toHaveLength(2);
    transport.answer('prompt', true);
    await bench.settle();
    transport.answer('cancel');
    await cancelled;
    generation.detach();
  });

  test('cancel does not fail when the end came before the answer, and the client was closed', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    transport.answer('prompt', true);
    const cancelled = generation.cancel();
    transport.deliver(delta(0, 1, 'a'), end(1, { reason: 'cancelled' }));
    await generation.end;
    await bench.client.close();
    await cancelled;
  });

  test('cancel fails when the client is closed before the end', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').prompt({ input: 'hi', generation: 'g' });
    transport.answer('prompt', true);
    const cancelled = generation.cancel();
    generation.end.catch(() => undefined);
    const failed = expect(cancelled).rejects.toThrow('closed');
    await bench.client.close();
    await failed;
  });

  test('detach ends the handle quietly while the session goes on', async () => {
    const { bench, transport } = await attached();
    const session = bench.client.session('s');
    const generation = session.prompt({ input: 'hi', generation: 'g' });
    const texts: string[] = [];
    const reading = (async () => {
      for await (const { text } of generation) texts.push(text);
    })();
    transport.deliver(delta(0, 1, 'a'));
    await bench.settle();
    generation.detach();
    await reading;
    await expect(generation.end).rejects.toBeInstanceOf(DetachedError);
    transport.deliver(delta(1, 2, 'b'), end(2));
    expect(texts).toEqual(['a']);
    expect(await session.generation('g').done).toBe('ab');
    expect(transport.all('unsubscribe')).toEqual([]);
  });

  // compat(sluice): error in stream
  test('an end with reason error is data to `end` and an error to the others', async () => {
    const { bench, transport } = await attached();
    const generation = bench.client.session('s').generation('g');
    transport.deliver(end(0, { reason: 'error', error: { code: 'engine', message: 'out of memory' } }));
    expect((await generation.end).reason).toBe('error');
    await expect(generation.done).rejects.toBeInstanceOf(GenerationFailedError);
    await expect(generation[Symbol.asyncIterator]().next()).rejects.toThrow('engine: out of memory');
  });

  test('closing the client rejects what is open', async () => {
    const { bench } = await attached();
    const session = bench.client.session('s');
    const generation = session.prompt('hi');
    const said = session.message('hello');
    await Promise.all([bench.client.close(), expect(said).rejects.toMatchObject({ code: 'closed' })]);
    await expect(generation.done).rejects.toMatchObject({ code: 'closed', closeCode: 1000 });
    await expect(session.prompt('again').end).rejects.toMatchObject({ code: 'closed' });
    await expect(bench.client.session('other').subscribe()).rejects.toMatchObject({ code: 'closed' });
  });
});
