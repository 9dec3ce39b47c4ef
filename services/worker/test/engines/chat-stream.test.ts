import { describe, expect, test } from '@jest/globals';
import { kindOf, MAX_TOKEN_BYTES, partRefOf, textOf } from '@sluice/protocol';
import type { Token } from '@sluice/protocol';
import fc from 'fast-check';
import { ChatStream } from '../../src/engines/openai/chat-stream.ts';

type Chunk = { readonly [field: string]: unknown };

const event = (chunk: Chunk): string => `data: ${JSON.stringify(chunk)}\n\n`;
const delta = (fields: object, finish_reason: string | null = null): string =>
  event({ choices: [{ index: 0, delta: fields, finish_reason }] });
const FINISH = delta({}, 'stop');
const DONE = 'data: [DONE]\n\n';

/** Feeds `text` in pieces that end at the given byte offsets. */
const read = (text: string, cuts: readonly number[] = []): { tokens: Token[]; stream: ChatStream } => {
  const stream = new ChatStream();
  const bytes = Buffer.from(text);
  const tokens: Token[] = [];
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    tokens.push(...stream.tokens(bytes.subarray(start, end)));
    start = end;
  }
  tokens.push(...stream.rest());
  return { tokens, stream };
};

/** The tokens before a failure, and the failure. */
const failing = (text: string): { tokens: Token[]; failure: unknown } => {
  const tokens: Token[] = [];
  const stream = new ChatStream();
  try {
    for (const token of stream.tokens(Buffer.from(text))) tokens.push(token);
    for (const token of stream.rest()) tokens.push(token);
    stream.end();
  } catch (failure) {
    return { tokens, failure };
  }
  return { tokens, failure: undefined };
};

describe('a chat stream', () => {
  test('reads the same tokens wherever the network cuts the bytes', () => {
    const texts = fc.array(fc.string({ unit: 'binary', minLength: 1 }), { minLength: 1 });
    fc.assert(
      fc.property(
        texts,
        fc.array(fc.nat(4_000)),
        fc.constantFrom('\n', '\r\n'),
        (contents, cuts, newline) => {
          const body = contents.map((content) => delta({ content })).join('') + FINISH + DONE;
          const wire = body.replaceAll('\n', newline);
          const limit = Buffer.byteLength(wire);
          const { tokens } = read(
            wire,
            cuts.map((cut) => Math.min(cut, limit)),
          );
          expect(tokens).toEqual(contents);
        },
      ),
    );
  });

  test('skips comments, role-only chunks, empty deltas and unknown fields', () => {
    const wire =
      ': keep-alive\n\n' +
      delta({ role: 'assistant', content: '' }) +
      'retry: 10\nwhatever: x\n\n' +
      delta({ role: 'assistant', content: null, tool_calls: null, reasoning: null }) +
      event({ choices: [] }) +
      event({ object: 'something else' }) +
      delta({ content: 'a' }) +
      FINISH;
    const { tokens, stream } = read(wire);
    expect(tokens).toEqual(['a']);
    expect(stream.end()).toEqual({ reason: 'stop' });
  });

  test.each(['reasoning', 'reasoning_content', 'reasoning_text'])('reads %s', (field) => {
    expect(read(delta({ [field]: 'hm', content: '' }) + FINISH).tokens).toEqual([
      { kind: 'reasoning', text: 'hm' },
    ]);
  });

  test('takes reasoning once when a server sends it under both names', () => {
    const wire = delta({ reasoning: 'hm', reasoning_content: 'hm', content: 'so' }) + FINISH;
    expect(read(wire).tokens).toEqual([{ kind: 'reasoning', text: 'hm' }, 'so']);
  });

  test('reads parallel tool calls, whatever a server leaves out or repeats as null', () => {
    const first = { index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '' } };
    const second = { index: 1, id: 'c2', function: { name: 'g', arguments: '{}' } };
    const more = { index: 0, id: null, function: { name: null, arguments: '{"a":' } };
    const wire =
      delta({ tool_calls: [first, second] }) +
      delta({ tool_calls: [more] }) +
      delta({ tool_calls: [{ function: { arguments: '1}' } }] }) +
      delta({ tool_calls: [{ index: 0, function: { arguments: '' } }] }) +
      delta({}, 'tool_calls');
    const { tokens, stream } = read(wire);
    expect(tokens).toEqual([
      { kind: 'tool_call', text: '', tool: { index: 0, id: 'c1', name: 'f' } },
      { kind: 'tool_call', text: '{}', tool: { index: 1, id: 'c2', name: 'g' } },
      { kind: 'tool_call', text: '{"a":', tool: { index: 0 } },
      { kind: 'tool_call', text: '1}', tool: { index: 0 } },
    ]);
    expect(stream.end().reason).toBe('tool_calls');
  });

  test.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool_calls', 'tool_calls'],
    ['function_call', 'tool_calls'],
    ['content_filter', 'content_filter'],
    ['some_stop_word', 'stop'],
  ])('finish_reason %s ends with %s', (given, reason) => {
    expect(read(delta({ content: 'x' }, given)).stream.end().reason).toBe(reason);
  });

  test('takes the usage figures of the chunk without choices, and nothing else from it', () => {
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 2,
      prompt_tokens_details: { cached_tokens: 4, note: 'x' },
      comment: 'long',
      nothing: null,
    };
    const { stream } = read(delta({ content: 'x' }) + FINISH + event({ choices: [], usage }) + DONE);
    expect(stream.end().usage).toEqual({
      prompt_tokens: 9,
      completion_tokens: 2,
      prompt_tokens_details: { cached_tokens: 4 },
    });
  });

  test('reads nothing after [DONE]', () => {
    expect(read(delta({ content: 'a' }) + FINISH + DONE + delta({ content: 'b' })).tokens).toEqual(['a']);
  });

  test('reads a last event that lacks its blank line', () => {
    expect(read((delta({ content: 'a' }) + FINISH).trimEnd()).stream.end().reason).toBe('stop');
  });

  test('splits a token beyond the protocol’s size, between code points', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('a', 'é', '漢', '🧗'),
        fc.integer({ min: 1, max: 40_000 }),
        (unit, count) => {
          const content = `x${unit.repeat(count)}`;
          const { tokens } = read(delta({ content }) + FINISH);
          expect(tokens.map(textOf).join('')).toBe(content);
          for (const token of tokens) {
            expect(Buffer.byteLength(textOf(token))).toBeLessThanOrEqual(MAX_TOKEN_BYTES);
            // Half a surrogate pair would not survive the way through UTF-8.
            expect(Buffer.from(textOf(token)).toString()).toBe(textOf(token));
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  test.each([
    [
      'text parts',
      [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
      ['a', 'b'],
    ],
    [
      'thinking in parts, then text',
      [
        { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
        { type: 'text', text: 'a' },
      ],
      [{ kind: 'reasoning', text: 'hm' }, 'a'],
    ],
    ['thinking as text', [{ type: 'thinking', thinking: 'hm' }], [{ kind: 'reasoning', text: 'hm' }]],
    ['texts in lists of lists', [['a', [{ type: 'text', text: ['b'] }]]], ['a', 'b']],
    ['reasoning', [{ type: 'reasoning', reasoning: 'hm' }], [{ kind: 'reasoning', text: 'hm' }]],
    ['bare texts', ['a', '', 'b'], ['a', 'b']],
    ['nothing that is text', [{ type: 'reference', reference_ids: [1] }, null, 7], []],
  ])('content as a list of %s', (_, content, tokens) => {
    expect(read(delta({ content }) + FINISH).tokens).toEqual(tokens);
  });

  const DETAILS = [
    { reasoning_details: [{ type: 'reasoning.text', text: 'h', index: 0, format: 'f' }] },
    { reasoning_details: [{ type: 'reasoning.text', text: 'm', index: 0, signature: 'sig' }] },
  ];
  const WHOLE = [{ type: 'reasoning.text', text: 'hm', index: 0, format: 'f', signature: 'sig' }];
  const fieldsPart = (data: object): object => ({
    ...{ kind: 'part', text: JSON.stringify(data) },
    part: { index: 0, type: 'reasoning_fields' },
  });

  test('keeps what a server seals of its reasoning, joined, before the answer, and once', () => {
    const wire = [...DETAILS, { content: 'a' }, { content: 'b' }].map((fields) => delta(fields)).join('');
    const hm = ['h', 'm'].map((text) => ({ kind: 'reasoning', text }));
    expect(read(wire + FINISH + DONE).tokens).toEqual([
      ...hm,
      fieldsPart({ reasoning_details: WHOLE }),
      ...['a', 'b'],
    ]);
  });

  test.each<[string, Chunk, object]>([
    [
      'thinking blocks',
      { thinking_blocks: [{ type: 'thinking', thinking: 'hm', signature: 's' }] },
      { thinking_blocks: [{ type: 'thinking', thinking: 'hm', signature: 's' }] },
    ],
    ['a sealed text', { reasoning_text: 'hm', reasoning_opaque: 'o' }, { reasoning_opaque: 'o' }],
    [
      'a signature of the message',
      { reasoning: 'hm', extra_content: { google: { thought_signature: 's' } } },
      { extra_content: { google: { thought_signature: 's' } } },
    ],
  ])('keeps %s for the server, also where nothing follows', (_, fields, data) => {
    expect(read(delta(fields) + FINISH).tokens).toEqual([
      { kind: 'reasoning', text: 'hm' },
      fieldsPart(data),
    ]);
  });

  test('keeps nothing of reasoning that has no seal, and says what is too large to keep', () => {
    const open = delta({ reasoning_details: [{ type: 'reasoning.text', text: 'hm', signature: null }] });
    expect(read(open + FINISH).tokens).toEqual([{ kind: 'reasoning', text: 'hm' }]);
    const seal = delta({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'x'.repeat(300_000) }] });
    expect(read(seal + FINISH).tokens).toMatchObject([{ text: '{"field":"reasoning_details"}' }]);
  });

  test('reads sources and images once, wherever and however often they are told', () => {
    const cited = { type: 'url_citation', url_citation: { url: 'https://a.example', title: 'A' } };
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
    const choice = (fields: object): Chunk => ({
      choices: [{ delta: fields }],
      citations: ['https://b.example'],
    });
    const wire =
      event(choice({ content: 'a', annotations: [cited] })) +
      event(choice({ images: [{ ...image, index: 0 }] })) +
      event(
        choice({ annotations: [cited], content: [{ type: 'image_url', image_url: 'https://c.example' }] }),
      );
    const { tokens } = read(wire + FINISH);
    const parts = tokens.filter((token) => kindOf(token) === 'part');
    expect(parts.map((part) => [partRefOf(part)?.type, JSON.parse(textOf(part)) as unknown])).toEqual([
      ['annotation', cited],
      ['annotation', { type: 'url_citation', url_citation: { url: 'https://b.example' } }],
      ['image', image],
      ['image', { type: 'image_url', image_url: { url: 'https://c.example' } }],
    ]);
    expect(parts.map((part) => partRefOf(part)?.index)).toEqual([0, 1, 2, 3]);
  });

  test('cuts a large part into tokens that join to its JSON', () => {
    const url = `data:image/png;base64,${'A'.repeat(100_000)}`;
    const { tokens } = read(delta({ images: [{ image_url: { url } }] }) + FINISH);
    expect(tokens.length).toBeGreaterThan(6);
    expect(JSON.parse(tokens.map(textOf).join(''))).toEqual({ type: 'image_url', image_url: { url } });
    expect(tokens.map((token) => partRefOf(token))).toEqual([
      { index: 0, type: 'image' },
      ...Array(tokens.length - 1).fill({ index: 0 }),
    ]);
  });

  test('reads an image as large as an answer may be', () => {
    const url = `data:image/png;base64,${'A'.repeat(4_000_000)}`;
    const { tokens } = read(delta({ images: [{ image_url: { url } }] }) + FINISH + DONE, [70_000, 3_000_000]);
    expect(tokens.map(textOf).join('').length).toBeGreaterThan(4_000_000);
  });

  test('says by name what is not passed on', () => {
    const wire =
      delta({ content: 'a', audio: { id: 'x', data: 'AAAA' } }) +
      event({
        choices: [{ delta: { content: 'b', audio: null }, logprobs: { content: [{ token: 'b' }] } }],
      }) +
      event({ choices: [{ delta: { content: 'c', audio: { data: 'AAAA' } }, logprobs: { content: [] } }] });
    const left = (field: string, index: number): object => ({
      ...{ kind: 'part', text: JSON.stringify({ field }) },
      part: { index, type: 'left_out' },
    });
    expect(read(wire + FINISH).tokens).toEqual(['a', left('audio', 0), 'b', left('logprobs', 1), 'c']);
  });

  test('keeps a refusal apart from the text, wherever it stands', () => {
    const no = (text: string): object => ({ kind: 'refusal', text });
    const wire =
      delta({ content: null, refusal: 'I ' }) +
      delta({ content: 'x', refusal: 'will ' }) +
      delta({ content: [{ type: 'refusal', refusal: 'not.' }] }) +
      delta({ content: 'same', refusal: 'same' });
    expect(read(wire + FINISH).tokens).toEqual([no('I '), 'x', no('will '), no('not.'), 'same']);
  });

  test('keeps the fields of a call that it does not know, before the call, once', () => {
    const call = { id: 'c', function: { name: 'f', arguments: '' }, extra_content: { google: { s: 1 } } };
    const wire =
      delta({ tool_calls: [{ index: 0, ...call }] }) +
      delta({ tool_calls: [{ index: 0, ...call, function: { arguments: '{}' } }] }) +
      delta({ tool_calls: [{ index: 0, id: 'c', extra: 'late', nothing: null }] });
    const fields = (index: number, data: object): object => ({
      ...{ kind: 'part', text: JSON.stringify(data) },
      part: { index, type: 'call_fields', id: 'c' },
    });
    expect(read(wire + delta({}, 'tool_calls')).tokens).toEqual([
      fields(0, { extra_content: { google: { s: 1 } } }),
      { kind: 'tool_call', text: '', tool: { index: 0, id: 'c', name: 'f' } },
      { kind: 'tool_call', text: '{}', tool: { index: 0 } },
      fields(1, { extra: 'late' }),
    ]);
  });

  test.each([
    ['[DONE]', delta({ content: 'a' }), 'stop'],
    ['a [DONE] with blanks around it', delta({ content: 'a' }), 'stop'],
    ['[DONE] after a tool call', delta({ tool_calls: [{ id: 'c', function: { name: 'f' } }] }), 'tool_calls'],
  ])('%s ends an answer that has no finish reason', (which, wire, reason) => {
    const done = which.includes('blanks') ? 'data:  [DONE] \n\n' : DONE;
    expect(read(wire + done).stream.end()).toEqual({ reason });
  });

  test.each([
    ['[DONE] without an answer', DONE],
    ['an answer that breaks off', delta({ content: 'a' })],
  ])('%s is a failure', (_, wire) => {
    expect(failing(wire).failure).toMatchObject({ code: 'upstream_protocol' });
  });

  test('comments are no events', () => {
    expect(read(': ping\n\n'.repeat(9) + delta({ content: 'a' })).stream.events).toBe(1);
  });

  test('a split tool call names itself once', () => {
    const call = { index: 0, id: 'c', function: { name: 'f', arguments: 'x'.repeat(20_000) } };
    const { tokens } = read(delta({ tool_calls: [call] }) + FINISH);
    expect(tokens.length).toBeGreaterThan(1);
    expect(tokens.filter((token) => typeof token !== 'string' && token.tool?.name === 'f')).toHaveLength(1);
  });

  test('parses no further than it is pulled', () => {
    const stream = new ChatStream();
    const wire = delta({ content: 'x' }).repeat(1_000) + FINISH + DONE;
    const tokens = stream.tokens(Buffer.from(wire));
    tokens.next();
    expect(stream.finished).toBe(false);
    let left = 0;
    for (const _ of tokens) left += 1;
    expect(left).toBe(999);
    expect(stream.done).toBe(true);
  });
});

describe('a chat stream that fails', () => {
  const SECRET = 'the prompt was: sk-secret';

  test.each([
    ['as data', `data: {"error":{"message":"${SECRET}","type":"server_error"}}\n\n`, 'upstream_unavailable'],
    ['as data with a status', `data: {"error":{"message":"${SECRET}","code":400}}\n\n`, 'upstream_rejected'],
    ['as data with 429', `data: {"error":{"message":"${SECRET}","code":"429"}}\n\n`, 'upstream_overloaded'],
    ['as an error event', `event: error\ndata: {"message":"${SECRET}"}\n\n`, 'upstream_unavailable'],
    ['as a field', `error: {"code":500,"message":"${SECRET}"}\n\n`, 'upstream_unavailable'],
    ['as a finish reason', delta({}, 'abort'), 'upstream_unavailable'],
    ['in a broken event', 'data: {"choices": [{"delta": {"content": "sk-secret\n\n', 'upstream_protocol'],
    ['by ending early', '', 'upstream_protocol'],
  ])('%s gives all tokens before, and a code without the server’s words', (_, wire, code) => {
    const { tokens, failure } = failing(delta({ content: 'a' }) + delta({ content: 'b' }) + wire);
    expect(tokens).toEqual(['a', 'b']);
    expect(failure).toMatchObject({ code });
    expect(String((failure as Error).message)).not.toContain('secret');
    expect((failure as Error).cause).toBeUndefined();
  });

  test('by an event without end is cut off', () => {
    const stream = new ChatStream();
    const piece = Buffer.from('data: '.padEnd(64 * 1024, 'x'));
    const feed = (): void => {
      for (let sent = 0; sent < 100; sent += 1) for (const _ of stream.tokens(piece));
    };
    expect(feed).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
  });
});
