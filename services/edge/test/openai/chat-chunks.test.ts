import { describe, expect, test } from '@jest/globals';
import type { DeltaFrame, EndFrame, ServerFrame } from '@sluice/protocol';
import { ChatChunks } from '../../src/openai/chat/chat-chunks.ts';

const HEAD = { id: 'chatcmpl_1', created: 7, model: 'm' };
const NAMES = { session: 's', generation: 'chatcmpl_1', epoch: 2 };
const delta = (seq: number, more: Partial<DeltaFrame>): DeltaFrame => ({
  ...{ type: 'delta', ...NAMES, from: seq - 1, seq, text: '', at: 1 },
  ...more,
});
const end = (more: Partial<EndFrame> = {}): EndFrame => ({
  ...{ type: 'end', ...NAMES, seq: 9, reason: 'stop' },
  ...more,
});

const chunksOf = (frames: readonly ServerFrame[], includesUsage = false): string[] => {
  const chunks = new ChatChunks(HEAD, { includesUsage, isRepeatable: false });
  return [chunks.opening, ...frames.map((frame) => chunks.view(frame, '')?.text ?? '')]
    .join('')
    .split('\n\n')
    .slice(0, -1);
};
const choiceIn = (event: string | undefined): unknown => {
  const [, json = '{}'] = /data: (.*)$/s.exec(event ?? '') ?? [];
  return (JSON.parse(json) as { choices?: unknown[] }).choices?.[0];
};

describe('chat completion chunks', () => {
  test('are framed as OpenAI’s, with the position as the event’s id', () => {
    expect(chunksOf([delta(1, { text: 'Hi' }), end()])).toEqual([
      'data: {"id":"chatcmpl_1","created":7,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}',
      'id: 2-1\ndata: {"id":"chatcmpl_1","created":7,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null}]}',
      'id: 2-9-end\ndata: {"id":"chatcmpl_1","created":7,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}',
      'data: [DONE]',
    ]);
  });

  test('say reasoning and calls where clients look for them', () => {
    const [, thought, call, more] = chunksOf([
      delta(1, { kind: 'reasoning', text: 'hm' }),
      delta(2, { kind: 'tool_call', text: '{"a"', tool: { index: 1, id: 'call_1', name: 'f' } }),
      delta(3, { kind: 'tool_call', text: ':1}', tool: { index: 1 } }),
    ]);
    expect(choiceIn(thought)).toMatchObject({ delta: { reasoning_content: 'hm' } });
    expect(choiceIn(call)).toMatchObject({
      delta: {
        tool_calls: [
          { index: 1, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a"' } },
        ],
      },
    });
    expect(choiceIn(more)).toMatchObject({
      delta: { tool_calls: [{ index: 1, function: { arguments: ':1}' } }] },
    });
  });

  test('say refusals, sources, images, and what a server wants back with a call', () => {
    const part = (seq: number, type: string, data: unknown, id?: string): DeltaFrame =>
      delta(seq, {
        ...{ kind: 'part', text: JSON.stringify(data) },
        part: { index: seq, type, ...(id === undefined ? {} : { id }) },
      });
    const image = { type: 'image_url', image_url: { url: 'data:,' } };
    const call = { id: 'c', name: 'f', index: 0 };
    const events = chunksOf([
      part(1, 'reasoning_fields', { thinking_blocks: [1] }),
      delta(2, { kind: 'refusal', text: 'No.' }),
      part(3, 'annotation', { type: 'url_citation' }),
      part(4, 'call_fields', { extra: 1 }, 'c'),
      delta(5, { kind: 'tool_call', text: '{', tool: call }),
      part(6, 'call_fields', { late: 2 }, 'c'),
      delta(7, { kind: 'tool_call', text: '}', tool: { index: 0 } }),
      part(8, 'new', 1),
      part(9, 'image', image),
      end(),
    ]);
    const deltas = events.slice(1, -2).map((event) => (choiceIn(event) as { delta: unknown }).delta);
    expect(deltas).toEqual([
      { thinking_blocks: [1] },
      { refusal: 'No.' },
      { annotations: [{ type: 'url_citation' }] },
      {
        tool_calls: [
          { extra: 1, index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '{' } },
        ],
      },
      { tool_calls: [{ late: 2, index: 0 }] },
      { tool_calls: [{ index: 0, function: { arguments: '}' } }] },
      { parts: [{ type: 'new', data: 1 }] },
      { images: [image] },
    ]);
    // A stream that broke before the image is told that again where it is continued.
    expect(events.at(-3)).not.toMatch(/^id:/);
  });

  test('tell the usage only when asked, in a chunk without choices', () => {
    const usage = { prompt_tokens: 2, completion_tokens: 3 };
    const counted = chunksOf([end({ usage })], true);
    expect(counted[0]).toContain('"usage":null');
    expect(counted.at(-2)).toContain(
      '"choices":[],"usage":{"total_tokens":5,"prompt_tokens":2,"completion_tokens":3}',
    );
    expect(chunksOf([end({ usage })]).join('')).not.toContain('usage');
  });

  test.each(['length', 'tool_calls', 'content_filter'] as const)('finish as the engine did: %s', (reason) => {
    expect(choiceIn(chunksOf([end({ reason })])[1])).toMatchObject({ finish_reason: reason });
  });

  test.each([
    [end({ reason: 'error', error: { code: 'upstream_rejected', message: 'no' } }), 'upstream_rejected'],
    [end({ reason: 'error' }), 'internal_error'],
    [end({ reason: 'cancelled' }), 'cancelled'],
    [end({ reason: 'abandoned' }), 'abandoned'],
    [{ type: 'error', code: 'unavailable', message: 'gone', retryable: true }, 'unavailable'],
  ] as [ServerFrame, string][])('say what is no answer as an error, and no [DONE]: %j', (frame, code) => {
    const events = chunksOf([delta(1, { text: 'a' }), frame]);
    const error = JSON.parse((events.at(-1) ?? '').replace('data: ', '')) as unknown;
    expect(error).toMatchObject({ error: { code, message: expect.any(String), param: null } });
  });

  test('break off where the text starts again, but not before anything was said', () => {
    const reset = { type: 'reset', ...NAMES, reason: 'x' } as const;
    expect(chunksOf([reset, delta(1, { text: 'a' })])).toHaveLength(2);
    expect(chunksOf([delta(1, { text: 'a' }), reset]).at(-1)).toContain('"code":"restarted"');
  });
});
