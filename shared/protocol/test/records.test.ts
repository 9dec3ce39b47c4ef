import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeRecord, ForeignMessageError, headOf, parseRecord } from '../src/index.ts';
import type { TokenRecord } from '../src/index.ts';

const record: TokenRecord = {
  v: 2,
  epoch: 0,
  attempt: 1,
  base: 32,
  at: 1_790_000_000_000,
  tokens: [
    'a',
    { kind: 'reasoning', text: 'hm' },
    { kind: 'tool_call', text: '{', tool: { index: 0, id: 'c' } },
  ],
};

const parse = (change: object): TokenRecord => parseRecord(JSON.stringify({ ...record, ...change }));

const failureOf = (json: string): ForeignMessageError | undefined => {
  try {
    parseRecord(json);
    return undefined;
  } catch (error) {
    // Nothing else may ever come out of it: a foreign worker's record must not take an edge down.
    expect(error).toBeInstanceOf(ForeignMessageError);
    return error as ForeignMessageError;
  }
};

describe('a record', () => {
  test('comes back as it was encoded', () => {
    expect(parseRecord(encodeRecord(record))).toEqual(record);
    expect(headOf(record)).toBe(35);
  });

  test('with an end comes back with it', () => {
    const end = {
      reason: 'error',
      usage: { prompt_tokens: 1, details: { cached: 0 } },
      error: { code: 'engine', message: 'gone' },
      receipt: { tokensAfterCancel: 0, msToAbort: 1.5 },
    };
    expect(parse({ end }).end).toEqual(end);
  });

  test('keeps surrogate halves and control characters', () => {
    const tokens = ['\ud83d', '\ude00', '\u0000', '"\\\n', '\u2028'];
    expect(parse({ tokens }).tokens).toEqual(tokens);
  });

  test('of any tokens comes back the same', () => {
    const anyText = fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 5 })
      .map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 32, size: 'max' }), fc.nat(), (tokens, base) => {
        const one: TokenRecord = { ...record, tokens, base };
        expect(parseRecord(encodeRecord(one))).toEqual(one);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('an end', () => {
  const end = { reason: 'stop' };

  test('brings only its own fields, since it is spread into frames and items', () => {
    const foreign = { ...end, type: 'delta', session: 'other', id: 'x', status: 'queued', user: 'mallory' };
    expect(parse({ end: foreign }).end).toEqual(end);
    const error = { code: 'c', message: 'm', stack: 'secret' };
    expect(parse({ end: { ...end, error } }).end?.error).toEqual({ code: 'c', message: 'm' });
  });

  test.each([
    ['null', null],
    ['a string', 'stop'],
    ['a list', [{ reason: 'stop' }]],
    ['no reason', {}],
    ['an unknown reason', { reason: 'toString' }],
    ['usage that is no object', { ...end, usage: 5 }],
    ['usage that is a list', { ...end, usage: [] }],
    ['usage that is null', { ...end, usage: null }],
    ['usage whose figure is none', { ...end, usage: { prompt_tokens: '9' } }],
    ['an error without code', { ...end, error: { message: 'm' } }],
    ['an error without message', { ...end, error: { code: 'c' } }],
    ['an error that is a string', { ...end, error: 'boom' }],
    ['a receipt without its numbers', { ...end, receipt: {} }],
    ['a receipt with a negative count', { ...end, receipt: { tokensAfterCancel: -1, msToAbort: 1 } }],
  ])('that is or has %s makes the record invalid', (_, value) => {
    expect(() => parse({ end: value })).toThrow('wrong or missing `end`');
  });
});

describe('an invalid record', () => {
  const wrongCounts = [undefined, null, '1', -1, 1.5, 2 ** 53, true, [], {}];

  test.each(['epoch', 'attempt', 'base', 'at'])('is one whose `%s` is no count', (field) => {
    for (const value of wrongCounts) expect(() => parse({ [field]: value })).toThrow(`\`${field}\``);
    const infinite = JSON.stringify({ ...record, [field]: 'HERE' }).replace('"HERE"', '1e400');
    expect(() => parseRecord(infinite)).toThrow(`\`${field}\``);
  });

  test('is one of another version', () => {
    for (const v of [undefined, 0, 1, 3, '2', null]) expect(() => parse({ v })).toThrow('`v`');
  });

  test('is one whose tokens are not tokens', () => {
    const tool = (value: unknown): unknown => [{ kind: 'tool_call', text: '', tool: value }];
    for (const tokens of [
      undefined,
      null,
      'ab',
      {},
      { length: 1, 0: 'a' },
      [null],
      [1],
      [['a']],
      [{ text: 'a' }],
      [{ kind: 'text', text: 'a' }],
      [{ kind: 'constructor', text: 'a' }],
      [{ kind: 'reasoning' }],
      [{ kind: 'reasoning', text: 1 }],
      tool(null),
      tool(0),
      tool({}),
      tool({ index: -1 }),
      tool({ index: '0' }),
      tool({ index: 0, id: 1 }),
      tool({ index: 0, name: null }),
    ])
      expect(() => parse({ tokens })).toThrow('`tokens`');
  });

  test('is text that is no JSON object', () => {
    for (const json of ['', 'nonsense', '{', 'null', '1', '"a"', '[]', '[{"v":2}]', '\u0000'])
      expect(failureOf(json)).toBeDefined();
  });

  test('says which field, never what was in it', () => {
    const secret = 'canary-7f3a';
    for (const field of Object.keys(record)) {
      const failure = failureOf(JSON.stringify({ ...record, [field]: { [secret]: secret } }));
      expect(failure?.message).not.toContain(secret);
      expect(failure?.code).toBe('foreign_message');
    }
    expect(failureOf(`{"v":2,"${secret}`)?.message).not.toContain(secret);
  });
});

describe('anything at all', () => {
  test('either parses or is a ForeignMessageError', () => {
    const anyField = fc.oneof(fc.anything(), fc.nat(), fc.constant(1));
    const anyNear = fc.record(
      {
        v: fc.oneof({ weight: 5, arbitrary: fc.constant(2) }, { weight: 1, arbitrary: fc.anything() }),
        epoch: anyField,
        attempt: anyField,
        base: anyField,
        at: anyField,
        tokens: fc.oneof(fc.array(fc.oneof(fc.string(), fc.anything())), fc.anything()),
        end: fc.oneof(
          fc.record({ reason: fc.constantFrom('stop', 'error'), usage: fc.anything() }),
          fc.anything(),
        ),
      },
      { requiredKeys: [] },
    );
    const anyJson = fc.oneof(fc.string(), fc.json(), anyNear.map(toJson));
    fc.assert(
      fc.property(anyJson, (json) => void failureOf(json)),
      { numRuns: 3_000 },
    );
  });

  test('nested 10,000 levels deep is refused like any other wrong field', () => {
    const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
    expect(failureOf(deep)).toBeDefined();
    expect(failureOf(JSON.stringify(record).replace('"a"', deep))?.message).toContain('`tokens`');
  });

  test('never changes a prototype, whatever its keys', () => {
    const json = JSON.stringify({ ...record, end: { reason: 'stop' } })
      .replace('{"v":2', '{"__proto__":{"polluted":true},"v":2')
      .replace('{"reason"', '{"__proto__":{"polluted":true},"reason"')
      .replace(
        '{"index"',
        '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":1}},"index"',
      );
    const parsed = parseRecord(json);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    for (const value of [parsed, parsed.end, parsed.tokens[2]])
      expect((value as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

const toJson = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return ''; // cycles and bigints are no JSON
  }
};
