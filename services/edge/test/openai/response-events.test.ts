/** The numbers of a response's events depend on its log alone: whatever the cuts, whichever the edge. */
import { describe, expect, test } from '@jest/globals';
import { GenerationBuffer } from '@sluice/core';
import { kindOf, partRefOf, textOf, toolOf } from '@sluice/protocol';
import type { DeltaFrame, EndFrame, Token } from '@sluice/protocol';
import fc from 'fast-check';
import { positionAfter } from '../../src/openai/event-number.ts';
import { ResponseEvents } from '../../src/openai/response-events.ts';
import type { ResponseHead } from '../../src/openai/response-object.ts';

const HEAD: ResponseHead = { id: 'resp_1', createdAt: 1_000, model: 'm', note: {} };
const SUMMARISED: ResponseHead = { ...HEAD, note: { reasoning: { summary: 'auto' } } };
const NAMES = { session: 'resp_1', generation: 'resp_1' };

type Event = { readonly type: string; readonly sequence_number: number; readonly delta?: string };

const parse = (text: string): Event[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json) as Event);

const anyToken: fc.Arbitrary<Token> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 4 }) },
  fc.record({ kind: fc.constantFrom('reasoning', 'refusal'), text: fc.string({ maxLength: 4 }) }),
  fc
    .record({
      index: fc.nat({ max: 2 }),
      type: fc.constantFrom('annotation', 'image', 'reasoning_fields', 'call_fields', undefined),
      text: fc.constantFrom('{"image_url":{"url":"u"}}', '{"a":1}', '{"cut', '1}'),
    })
    .map(({ index, type, text }) => ({
      ...{ kind: 'part' as const, text },
      part: { index, ...(type === undefined ? {} : { type, id: 'call_1' }) },
    })),
  fc
    .record({ index: fc.nat({ max: 2 }), isFirst: fc.boolean(), text: fc.string({ maxLength: 4 }) })
    .map(({ index, isFirst, text }) => ({
      kind: 'tool_call' as const,
      text,
      tool: { index, ...(isFirst ? { id: `call_${index}`, name: `f${index}` } : {}) },
    })),
);

/** A log, and after which of its tokens a frame ends besides where it must. */
const anyLog = fc.array(anyToken, { maxLength: 40 });
const anyCuts = fc.array(fc.boolean(), { minLength: 40, maxLength: 40 });

/** The frames in which an edge sends a log whose tokens reach it in such groups. */
const framesOf = (tokens: readonly Token[], cuts: readonly boolean[], from = 0): DeltaFrame[] => {
  const frames: DeltaFrame[] = [];
  const buffer = new GenerationBuffer();
  let sent = from;
  for (let head = 1; head <= tokens.length; head += 1) {
    const record = { v: 2, epoch: 0, attempt: 1, base: 0, at: 1 } as const;
    buffer.apply({ ...record, tokens: tokens.slice(0, head) });
    if (cuts[head - 1] === false && head < tokens.length) continue;
    for (let slice = buffer.slice(sent); slice !== undefined; slice = buffer.slice(sent)) {
      const { kind, seq, tool, part } = slice;
      const text = JSON.parse(`"${slice.text.toString()}"`) as string;
      const refs = { ...(tool === undefined ? {} : { tool }), ...(part === undefined ? {} : { part }) };
      const rest = { text, at: 1, ...refs };
      const marked = kind === 'text' ? {} : { kind };
      frames.push({ type: 'delta', ...NAMES, epoch: 0, from: sent, seq, ...marked, ...rest });
      sent = seq;
    }
  }
  return frames;
};

const endAt = (seq: number): EndFrame => ({ type: 'end', ...NAMES, epoch: 0, seq, reason: 'stop' });

const play = (events: ResponseEvents, tokens: readonly Token[], frames: readonly DeltaFrame[]): Event[] => {
  const texts = [events.opening()];
  for (const frame of [...frames, endAt(tokens.length)]) texts.push(events.view(frame, '')?.text ?? '');
  return parse(texts.join(''));
};

const isDelta = ({ type }: Event): boolean => type.endsWith('.delta');
const saidIn = (events: readonly Event[]): string => events.map(({ delta = '' }) => delta).join('');
const structureOf = (events: readonly Event[]): Event[] => events.filter((event) => !isDelta(event));
/** All that was said up to each number of a delta. */
const saidUpTo = (events: readonly Event[]): Map<number, string> => {
  let said = '';
  return new Map(
    events.filter(isDelta).map(({ sequence_number, delta = '' }) => [sequence_number, (said += delta)]),
  );
};

const anyHead = fc.constantFrom(HEAD, SUMMARISED);
const RUNS = { numRuns: 500 };

describe('the events of a response', () => {
  test('tell reasoning as a summary where the request asks for one', () => {
    const tokens: Token[] = [{ kind: 'reasoning', text: 'h' }, { kind: 'reasoning', text: 'm' }, 'Yes'];
    const events = play(new ResponseEvents(SUMMARISED), tokens, framesOf(tokens, [true, true, true]));
    const thought = { item_id: 'rs_resp_1_0', output_index: 0, summary_index: 0 };
    const whole = { type: 'summary_text', text: 'hm' };
    expect(events.slice(2, 9)).toMatchObject([
      { type: 'response.output_item.added', item: { type: 'reasoning', summary: [] } },
      { type: 'response.reasoning_summary_part.added', ...thought, part: { ...whole, text: '' } },
      { type: 'response.reasoning_summary_text.delta', ...thought, delta: 'h' },
      { type: 'response.reasoning_summary_text.delta', ...thought, delta: 'm' },
      { type: 'response.reasoning_summary_text.done', ...thought, text: 'hm' },
      { type: 'response.reasoning_summary_part.done', ...thought, part: whole },
      { type: 'response.output_item.done', item: { type: 'reasoning', summary: [whole] } },
    ]);
    expect(JSON.stringify(events)).not.toContain('reasoning_text');
  });

  test('have rising numbers that are the same however the tokens were cut into frames', () => {
    fc.assert(
      fc.property(anyHead, anyLog, anyCuts, anyCuts, (head, tokens, one, other) => {
        const a = play(new ResponseEvents(head), tokens, framesOf(tokens, one));
        const b = play(new ResponseEvents(head), tokens, framesOf(tokens, other));
        const numbers = a.map(({ sequence_number }) => sequence_number);
        expect(numbers).toEqual([...new Set(numbers)].toSorted((x, y) => x - y));
        expect(structureOf(a)).toEqual(structureOf(b));
        const said = saidUpTo(b);
        for (const [number, text] of saidUpTo(a)) expect(said.get(number) ?? text).toBe(text);
        const spoken = tokens.filter((token) => kindOf(token) !== 'part');
        expect(saidIn(a)).toBe(spoken.map(textOf).join(''));
      }),
      RUNS,
    );
  });

  test('go on after any of them with exactly the rest, whatever the cuts before and after', () => {
    fc.assert(
      fc.property(anyLog, anyCuts, anyCuts, fc.nat(), (tokens, one, other, pick) => {
        const whole = play(new ResponseEvents(HEAD), tokens, framesOf(tokens, one));
        const had = whole.slice(0, 1 + (pick % whole.length));
        const after = had.at(-1)?.sequence_number ?? -1;
        const { seq } = positionAfter(after);
        const events = new ResponseEvents(HEAD, after);
        for (const [index, token] of tokens.slice(0, seq).entries()) {
          const [tool, part] = [toolOf(token), partRefOf(token)];
          const refs = { ...(tool === undefined ? {} : { tool }), ...(part === undefined ? {} : { part }) };
          const place = { epoch: 0, from: index, seq: index + 1 };
          expect(events.take({ kind: kindOf(token), text: textOf(token), ...refs, ...place })).toBe('');
        }
        const rest = play(events, tokens, framesOf(tokens, other, seq));
        expect(rest.every(({ sequence_number }) => sequence_number > after)).toBe(true);
        expect(saidIn([...had, ...rest])).toBe(saidIn(whole));
        expect(structureOf([...had, ...rest])).toEqual(structureOf(whole));
      }),
      RUNS,
    );
  });

  test('open and close each entry once, in OpenAI’s order', () => {
    const tokens: Token[] = [
      { kind: 'reasoning', text: 'hm' },
      'He',
      'llo',
      { kind: 'tool_call', text: '{', tool: { index: 0, id: 'call_a', name: 'f' } },
      { kind: 'tool_call', text: '}', tool: { index: 0 } },
    ];
    const events = play(new ResponseEvents(HEAD), tokens, framesOf(tokens, [true, true, true, true, true]));
    expect(
      events.map(({ type, sequence_number }) => [sequence_number, type.slice('response.'.length)]),
    ).toEqual([
      [0, 'created'],
      [1, 'in_progress'],
      [8, 'output_item.added'],
      [9, 'content_part.added'],
      [15, 'reasoning_text.delta'],
      [16, 'reasoning_text.done'],
      [17, 'content_part.done'],
      [18, 'output_item.done'],
      [19, 'output_item.added'],
      [20, 'content_part.added'],
      [23, 'output_text.delta'],
      [31, 'output_text.delta'],
      [32, 'output_text.done'],
      [33, 'content_part.done'],
      [34, 'output_item.done'],
      [35, 'output_item.added'],
      [39, 'function_call_arguments.delta'],
      [47, 'function_call_arguments.delta'],
      [48, 'function_call_arguments.done'],
      [49, 'output_item.done'],
      [50, 'completed'],
    ]);
    expect(events.at(-1)).toMatchObject({
      response: {
        status: 'completed',
        output: [
          { type: 'reasoning', id: 'rs_resp_1_0', content: [{ type: 'reasoning_text', text: 'hm' }] },
          { type: 'message', id: 'msg_resp_1_1', content: [{ type: 'output_text', text: 'Hello' }] },
          { type: 'function_call', call_id: 'call_a', name: 'f', arguments: '{}' },
        ],
      },
    });
  });

  test('tell a refusal, sources, images, and what a server wants back, in OpenAI’s words', () => {
    const part = (index: number, type: string, data: unknown, id?: string): Token => ({
      ...{ kind: 'part', text: JSON.stringify(data) },
      part: { index, type, ...(id === undefined ? {} : { id }) },
    });
    const cited = { type: 'url_citation', url: 'https://a.example', title: 'A' };
    const { url, title } = cited;
    const tokens: Token[] = [
      { kind: 'reasoning', text: 'hm' },
      part(0, 'reasoning_fields', { reasoning_details: [{ signature: 's' }] }),
      'It is',
      part(1, 'annotation', { type: 'url_citation', url_citation: { url, title } }),
      '.',
      part(2, 'image', { image_url: { url: 'data:image/png;base64,AAEC' } }),
      part(3, 'call_fields', { extra: 1 }, 'call_a'),
      { kind: 'tool_call', text: '{}', tool: { index: 0, id: 'call_a', name: 'f' } },
      { kind: 'refusal', text: 'No.' },
    ];
    const events = play(new ResponseEvents(HEAD), tokens, framesOf(tokens, Array(9).fill(true)));
    const types = events.map(({ type }) => type.slice('response.'.length));
    expect(types.filter((type) => /annotation|refusal/.test(type))).toEqual([
      'output_text.annotation.added',
      'refusal.delta',
      'refusal.done',
    ]);
    expect(events.find(({ type }) => type.includes('annotation'))).toMatchObject({
      ...{ item_id: 'msg_resp_1_1', output_index: 1, annotation_index: 0, annotation: cited },
    });
    const output = [
      { type: 'reasoning', encrypted_content: expect.stringMatching(/^sluice1\./) },
      { type: 'message', content: [{ type: 'output_text', text: 'It is.', annotations: [cited] }] },
      { type: 'image_generation_call', status: 'completed', result: 'AAEC' },
      { type: 'function_call', call_id: 'call_a', server_fields: { extra: 1 } },
      { type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] },
    ];
    expect(events.at(-1)).toMatchObject({ response: { output } });
    const done = events.filter(({ type }) => type === 'response.output_item.done');
    expect(done.map((event) => (event as { item?: unknown }).item)).toMatchObject(output);
  });

  test.each([
    [{ reason: 'length' }, 'response.incomplete', 'incomplete', { reason: 'max_output_tokens' }],
    [{ reason: 'content_filter' }, 'response.incomplete', 'incomplete', { reason: 'content_filter' }],
    [{ reason: 'cancelled' }, 'response.incomplete', 'cancelled', null],
    [{ reason: 'error', error: { code: 'x', message: 'y' } }, 'response.failed', 'failed', null],
  ] as const)('end with what became of it: %j', (end, type, status, incomplete_details) => {
    const events = new ResponseEvents(HEAD);
    const shown = events.view({ ...endAt(0), ...end } as EndFrame, '');
    expect(shown?.last).toBe(true);
    expect(parse(shown?.text ?? '')).toMatchObject([
      { type, sequence_number: 8, response: { status, incomplete_details } },
    ]);
  });

  test('end with an error where the text starts again, but not before anything was said', () => {
    const reset = { type: 'reset', ...NAMES, epoch: 1, reason: 'x' } as const;
    expect(new ResponseEvents(HEAD).view(reset, '')).toBeUndefined();
    const events = new ResponseEvents(HEAD);
    for (const frame of framesOf(['a'], [true])) events.view(frame, '');
    const shown = events.view(reset, '');
    expect(shown?.text).toMatch(/^event: error\n/);
    expect(parse(shown?.text ?? '')).toMatchObject([
      { type: 'error', code: 'restarted', sequence_number: 15 },
    ]);
  });
});
