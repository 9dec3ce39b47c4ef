import { describe, expect, test } from '@jest/globals';
import type { DeltaFrame } from '@sluice/protocol';
import { connect } from '@sluice/client';
import type { Client, Generation } from '@sluice/client';
import fc from 'fast-check';
import { ScriptedServer } from './support/scripted-server.ts';
import type { Fate, Script } from './support/scripted-server.ts';

type Pair = { readonly server: ScriptedServer; readonly client: Client };

const connectTo = (server: ScriptedServer, window = 4): Client =>
  connect({ url: server.url, token: 'jwt', window, backoff: { baseMs: 1, capMs: 4 } });

/** Runs `body` with a server and a client of it, and closes both whatever happens. */
const serving = async (
  script: Script,
  body: (pair: Pair) => Promise<void>,
  window?: number,
): Promise<void> => {
  const server = await ScriptedServer.start(script);
  const client = connectTo(server, window);
  try {
    await body({ server, client });
  } finally {
    await Promise.all([client.close(), server.close()]);
  }
};

const within = async <Value>(ms: number, promise: Promise<Value>, what: string): Promise<Value> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** What an application would show that starts over at each new epoch. */
const shown = async (generation: Generation): Promise<string> => {
  let text = '';
  let epoch = -1;
  let seq = 0;
  for await (const delta of generation) {
    if (delta.epoch !== epoch) [text, seq] = ['', 0];
    expect(delta.from).toBe(seq);
    text += delta.text;
    ({ epoch, seq } = delta);
  }
  return text;
};

const tokens = fc.array(fc.string({ unit: 'grapheme', maxLength: 5 }), { minLength: 1, maxLength: 60 });
const cut: fc.Arbitrary<Fate> = fc.oneof(
  fc.constantFrom<Fate>({ type: 'half' }, { type: 'destroy' }),
  fc.constantFrom(1001, 1012, 1013, 4009).map((code) => ({ type: 'close', code }) as const),
);

describe('over real sockets', () => {
  test('text is rebuilt exactly, whatever is cut and wherever, over resets as well', async () => {
    const epochs = fc.array(tokens, { minLength: 1, maxLength: 3 });
    const cuts = fc.array(fc.tuple(fc.nat(40), cut), { maxLength: 6 });
    const rebuilds = async (script: Script, window: number): Promise<void> => {
      const whole = script.epochs.at(-1)?.join('') ?? '';
      const body = async ({ server, client }: Pair): Promise<void> => {
        const generation = client.session('s').prompt({ input: 'hi', generation: 'g' });
        const reading = shown(generation);
        expect(await within(5_000, generation.done, 'the end')).toBe(whole);
        expect(await reading).toBe(whole);
        expect(client.session('s').items.get('g')).toMatchObject({ text: whole, status: 'done' });
        expect(server.maxUnacked).toBeLessThanOrEqual(window);
      };
      await serving(script, body, window);
    };
    await fc.assert(
      fc.asyncProperty(epochs, cuts, fc.integer({ min: 1, max: 8 }), async (plan, points, window) => {
        const fates = new Map(points);
        const fate = (_frame: DeltaFrame, count: number): Fate => fates.get(count) ?? { type: 'send' };
        await rebuilds({ epochs: plan, fate }, window);
      }),
      { numRuns: 60 },
    );
  });

  test('a server that repeats, skips or shifts is noticed: text is never anything but a prefix', async () => {
    const forgeries: readonly ((frame: DeltaFrame) => readonly DeltaFrame[])[] = [
      (frame) => [frame, frame],
      () => [],
      (frame) => [{ ...frame, from: Math.max(0, frame.from - 1) }],
      (frame) => [{ ...frame, epoch: frame.epoch + 1 }],
      (frame) => [{ ...frame, seq: frame.from }],
    ];
    const many = fc.array(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 20, maxLength: 60 });
    const notices = async (list: readonly string[], fate: Script['fate']): Promise<void> => {
      const body = async ({ client }: Pair): Promise<void> => {
        const errors: Error[] = [];
        client.on('error', (error) => errors.push(error));
        const generation = client.session('s').prompt({ input: 'hi', generation: 'g' });
        const prefixes: string[] = [];
        generation.on('delta', () => prefixes.push(generation.text));
        expect(await within(5_000, generation.done, 'the end')).toBe(list.join(''));
        for (const prefix of prefixes) expect(list.join('').startsWith(prefix)).toBe(true);
        expect(errors.length).toBeGreaterThan(0);
        for (const error of errors) expect(error).toMatchObject({ code: 'protocol' });
      };
      await serving({ epochs: [list], maxTokens: 1, ...(fate && { fate }) }, body);
    };
    await fc.assert(
      fc.asyncProperty(many, fc.nat(4), fc.integer({ min: 2, max: 4 }), async (list, which, every) => {
        await notices(list, (frame, count) =>
          count % every === 0 && frame.from > 0
            ? { type: 'forge', frames: forgeries[which]?.(frame) ?? [] }
            : { type: 'send' },
        );
      }),
      { numRuns: 30 },
    );
  });

  test('a prompt whose answer is lost runs once', async () => {
    await serving({ epochs: [['a', 'b', 'c']], lostAnswers: 2 }, async ({ server, client }) => {
      const generation = client.session('s').prompt({ input: 'hi', generation: 'g' });
      expect(await within(5_000, generation.done, 'the end')).toBe('abc');
      expect(await within(5_000, generation.accepted, 'the answer')).toEqual({ created: false });
      const prompts = server.received.filter(({ type }) => type === 'prompt');
      expect(new Set(prompts.map((frame) => JSON.stringify(frame))).size).toBe(1);
      expect([prompts.length, server.starts]).toEqual([3, 1]);
    });
  });

  test('a second client that comes late reads the same', async () => {
    await serving({ epochs: [['a', 'b', 'c', 'd']] }, async ({ server, client }) => {
      const first = client.session('s').prompt({ input: 'hi', generation: 'g' });
      expect(await within(5_000, shown(first), 'the first')).toBe('abcd');
      const late = connectTo(server);
      const session = late.session('s');
      await within(5_000, session.subscribe(), 'subscribed');
      expect(await within(5_000, session.generation('g').done, 'the text')).toBe('abcd');
      expect(await within(5_000, shown(session.generation('g')), 'the deltas')).toBe('abcd');
      await late.close();
    });
  });

  test('a credential that no subprotocol can carry goes in the first frame', async () => {
    await serving({ epochs: [['a']] }, async ({ server }) => {
      const client = connect({ url: server.url.replace('ws:', 'http:'), token: 'a token/with=others' });
      await within(5_000, client.live(), 'live');
      expect(server.received[0]).toEqual({ type: 'auth', token: 'a token/with=others' });
      await client.close();
    });
  });

  test('a credential that is refused is told with its close code', async () => {
    await serving({ epochs: [['a']] }, async ({ server }) => {
      const client = connect({ url: server.url, token: 'wrong' });
      await expect(within(5_000, client.live(), 'closed')).rejects.toMatchObject({ closeCode: 4401 });
    });
  });
});

test('options that cannot work are refused at once', () => {
  expect(() => connect({ url: 'ftp://edge', token: 'jwt' })).toThrow(TypeError);
  expect(() => connect({ url: 'edge', token: 'jwt' })).toThrow('Invalid URL');
  expect(() => connect({ url: 'ws://edge', token: 'jwt', window: 0 })).toThrow(TypeError);
});
