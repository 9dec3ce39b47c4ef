import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CLIENT_FRAME_TYPES, MAX_NESTING } from '../src/index.ts';
import { frameSchemas, parseClientFrame, promptBodySchema } from '../src/schema.ts';
import type { FrameResult } from '../src/schema.ts';

type Bad = Extract<FrameResult, { type: 'bad' }>;

const place = { session: 's1', generation: 'g1' };
/** One good frame of each type, with every field. */
const GOOD: Record<(typeof CLIENT_FRAME_TYPES)[number], Record<string, unknown>> = {
  auth: { token: 'a.b.c' },
  subscribe: {
    session: 's1',
    rev: 7,
    positions: { g1: { epoch: 0, seq: 5 } },
    window: 8,
    observe: true,
  },
  unsubscribe: { session: 's1' },
  prompt: {
    ...place,
    model: 'm',
    input: 'hi',
    params: { max_tokens: 5, temperature: 0.5, top_p: 1, seed: 1, stop: ['x'], tools: [], custom: { a: 1 } },
    lead: 'strict',
    governor: 'owner',
    onAbandon: 'finish',
  },
  ack: { ...place, epoch: 0, seq: 3 },
  cancel: { ...place },
  message: { session: 's1', message: 'm1', text: 'hello', data: { any: ['thing', null] } },
  signal: { session: 's1', data: { typing: true } },
  ping: {},
};

const parse = (frame: object): FrameResult => parseClientFrame(JSON.stringify(frame));
const badOf = (text: string): Bad => {
  const result = parseClientFrame(text);
  if (result.type !== 'bad') throw new Error('expected a bad frame');
  return result;
};

const nested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};

test.each(['', 'm\x1b[2J', '\u202em', 'm\u200b', ' m', 'x'.repeat(201)])('%j names no model', (model) => {
  expect(parse({ type: 'prompt', ...place, input: 'hi', model })).toMatchObject({ type: 'bad' });
});

describe.each(CLIENT_FRAME_TYPES)('%s', (type) => {
  const good = { type, id: 'r1', ...GOOD[type] };

  test('parses to what was sent', () => {
    expect(parse(good)).toEqual({ type: 'frame', frame: good });
  });

  test('ignores fields it does not know', () => {
    const result = parse({ ...good, unknown: { deep: true }, later: 1 });
    expect(result).toEqual({ type: 'frame', frame: good });
  });

  test('may lack each optional field and none of the others', () => {
    const missing = frameSchemas[type].safeParse({ type }).error?.issues.map(({ path }) => path[0]) ?? [];
    // Of a prompt, either source may be absent but not both.
    const needed = new Set([...missing, ...(type === 'prompt' ? ['input'] : [])]);
    for (const field of Object.keys(good).filter((name) => name !== 'type')) {
      const { [field]: _, ...without } = good as Record<string, unknown>;
      expect([field, parse(without).type]).toEqual([field, needed.has(field) ? 'bad' : 'frame']);
    }
  });

  test('refuses each field in any wrong type, naming the field and never the value', () => {
    const secret = 'canary 7f3a';
    const wrong: Record<string, readonly unknown[]> = {
      number: [null, true, secret, -1, 1.5, 2 ** 53, [secret], { [secret]: secret }],
      string: [null, true, 5, '', [secret], { a: secret }],
      boolean: [null, 0, secret, [], {}],
      object: [null, true, 5, secret],
    };
    for (const [field, value] of Object.entries(GOOD[type])) {
      if (field === 'data') continue; // the application's own: anything goes
      const free = field === 'text' || field === 'input';
      for (const bad of wrong[typeof value] ?? []) {
        if (bad === '' && free) continue;
        const result = parse({ ...good, [field]: bad });
        expect({ field, bad, type: result.type }).toEqual({ field, bad, type: 'bad' });
        const { message, id, knownType } = result as Bad;
        expect({ id, knownType }).toEqual({ id: 'r1', knownType: true });
        expect(message).toContain(`\`${field}`);
        expect(message).not.toContain(secret);
      }
    }
  });

  test('refuses an id of 65 characters or of another type, and does not echo it', () => {
    for (const id of ['x'.repeat(65), 5, null, {}, []]) {
      const result = parse({ ...good, id });
      expect(result).toMatchObject({ type: 'bad', id: undefined });
      expect((result as Bad).message).not.toContain('xxx');
    }
  });
});

describe('text that is no frame', () => {
  test.each(['', '{', 'null', '1', '"ping"', '[]', '[{"type":"ping"}]', 'undefined', '{"type":"ping"}x'])(
    '%j is bad',
    (text) => expect(badOf(text)).toMatchObject({ knownType: false, id: undefined }),
  );

  test('of an unknown type is bad, with the id it can be answered by', () => {
    for (const type of ['hello', 'toString', '__proto__', 'constructor', '', 5, null, ['ping'], { ping: 1 }])
      expect(badOf(JSON.stringify({ type, id: 'r1' }))).toMatchObject({ knownType: false, id: 'r1' });
    expect(badOf('{"id":"r1"}')).toMatchObject({ knownType: false, id: 'r1' });
  });
});

describe('a prompt', () => {
  const { input: _, ...sourceless } = GOOD.prompt;

  test('has exactly one of input and messages', () => {
    const messages = [{ role: 'user', content: 'hi', name: 'ann' }];
    expect(parse({ type: 'prompt', ...sourceless, messages })).toMatchObject({ frame: { messages } });
    for (const sources of [{}, { input: 'a', messages }])
      expect(parse({ type: 'prompt', ...sourceless, ...sources })).toMatchObject({
        message: 'expected exactly one of `input` and `messages`',
      });
  });

  test('body is parsed by the same rules', () => {
    const { session: _s, generation: _g, ...body } = GOOD.prompt;
    expect(promptBodySchema.parse(body)).toEqual(body);
    expect(() => promptBodySchema.parse({ ...body, lead: 'fast' })).toThrow();
    expect(() => promptBodySchema.parse({ ...body, params: { deep: nested(MAX_NESTING + 1) } })).toThrow();
    expect(() => promptBodySchema.parse(undefined)).toThrow();
  });
});

describe('nesting', () => {
  const places: Record<string, (value: unknown) => object> = {
    'signal.data': (data) => ({ type: 'signal', ...GOOD.signal, data }),
    'message.data': (data) => ({ type: 'message', ...GOOD.message, data }),
    'prompt.params': (inner) => ({ type: 'prompt', ...GOOD.prompt, params: { tools: [inner] } }),
    'prompt.messages': (inner) => ({
      type: 'prompt',
      ...place,
      messages: [{ role: 'user', content: [inner] }],
    }),
  };

  test.each(Object.entries(places))(
    'in %s is bounded, so that encoding it again cannot overflow',
    (_, at) => {
      expect(parse(at(nested(MAX_NESTING - 2))).type).toBe('frame');
      expect(parse(at(nested(MAX_NESTING + 1)))).toMatchObject({
        type: 'bad',
        message: expect.stringContaining('levels of nesting'),
      });
      const deep = JSON.stringify(at('HERE')).replace('"HERE"', `${'['.repeat(10_000)}${']'.repeat(10_000)}`);
      expect(badOf(deep).knownType).toBe(true);
    },
  );

  test('of 100,000 levels in a field that nobody knows is ignored with it', () => {
    const text = `{"type":"ping","x":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`;
    expect(parseClientFrame(text)).toEqual({ type: 'frame', frame: { type: 'ping' } });
  });
});

describe('hostile keys', () => {
  const pollution = '"__proto__":{"polluted":true,"epoch":0,"seq":1}';

  test.each([
    `{"type":"subscribe","session":"s1","positions":{${pollution},"constructor":{"epoch":0,"seq":2}}}`,
    `{"type":"subscribe","session":"s1",${pollution}}`,
    `{"type":"prompt","session":"s1","generation":"g1","input":"x","params":{${pollution}}}`,
    `{"type":"prompt","session":"s1","generation":"g1","messages":[{"role":"user",${pollution}}]}`,
    `{"type":"signal","session":"s1","data":{${pollution}}}`,
  ])('change no prototype: %s', (text) => {
    const result = parseClientFrame(text);
    expect(result.type).toBe('frame');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    const seen: unknown[] = [result];
    for (let value = seen.pop(); value !== undefined; value = seen.pop()) {
      if (typeof value !== 'object' || value === null) continue;
      expect([Object.prototype, Array.prototype]).toContain(Object.getPrototypeOf(value));
      if (!Object.hasOwn(value, 'polluted')) expect('polluted' in value).toBe(false);
      seen.push(...Object.values(value));
    }
  });

  test('that are no ids are refused without being echoed', () => {
    const result = parse({
      type: 'subscribe',
      session: 's1',
      positions: { 'canary.7f3a': { epoch: 0, seq: 0 } },
    });
    expect(result).toMatchObject({ type: 'bad', message: '`positions`: expected ids as keys' });
  });

  test('given twice count once, the last of them', () => {
    const text = '{"type":"ack","session":"s1","session":"s2","generation":"g1","epoch":0,"seq":1,"seq":2}';
    expect(parseClientFrame(text)).toMatchObject({ frame: { session: 's2', seq: 2 } });
    expect(parseClientFrame('{"type":"ping","type":"nonsense"}').type).toBe('bad');
  });
});

test('anything at all parses or is bad, and never throws', () => {
  const anyValue = fc.jsonValue({ maxDepth: 3 });
  const anyNear = fc
    .tuple(
      fc.constantFrom(...CLIENT_FRAME_TYPES),
      fc.dictionary(
        fc.constantFrom(
          'session',
          'generation',
          'id',
          'positions',
          'params',
          'messages',
          'data',
          '__proto__',
        ),
        anyValue,
      ),
    )
    .map(([type, changes]) => JSON.stringify({ type, ...GOOD[type], ...changes }));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), anyNear), (text) => {
      const result = parseClientFrame(text);
      if (result.type === 'frame') expect(CLIENT_FRAME_TYPES).toContain(result.frame.type);
      else expect(result.message.length).toBeLessThan(300);
      JSON.stringify(result); // whatever was accepted can be encoded again
    }),
    { numRuns: 3_000 },
  );
});
