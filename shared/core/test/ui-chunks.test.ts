import { describe, expect, test } from '@jest/globals';
import { readUIMessageStream } from 'ai';
import type { UIMessage, UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { kindOf, textOf } from '@sluice/protocol';
import type { End, Token } from '@sluice/protocol';
import { transcriptOf } from '../src/index.ts';
import type { UiChunk, UiDelta, UiWriter } from '../src/index.ts';
import { UiChunkWriter, uiDeltaOf, UiPartsWriter } from '../src/parts/index.ts';
import { anyTokens } from './any-token.ts';

const STOP: End = { reason: 'stop' };
const anyReason: fc.Arbitrary<End> = fc
  .constantFrom(...(['stop', 'length', 'tool_calls', 'content_filter', 'cancelled', 'abandoned'] as const))
  .map((reason) => ({ reason }));
const anyCuts = fc.array(fc.boolean(), { minLength: 1, maxLength: 80 });

/** Deltas as an edge makes them: neighbours of one kind and call are joined, unless a frame ended there. */
const deltasOf = (tokens: readonly Token[], cuts: readonly boolean[]): UiDelta[] => {
  const deltas: UiDelta[] = [];
  tokens.forEach((token, at) => {
    const next = uiDeltaOf(token);
    const last = deltas.at(-1);
    const isSame =
      last !== undefined &&
      last.kind === next.kind &&
      last.tool?.index === next.tool?.index &&
      next.tool?.id === undefined &&
      last.part?.index === next.part?.index &&
      next.part?.type === undefined &&
      next.part?.id === undefined;
    if (isSame && cuts[at % cuts.length] !== true)
      deltas[deltas.length - 1] = { ...last, text: last.text + next.text };
    else deltas.push(next);
  });
  return deltas;
};

const writing = (): UiWriter => new UiPartsWriter(new UiChunkWriter('g1', 'g1'), 'g1');

const told = (tokens: readonly Token[], end: End, cuts: readonly boolean[] = [true]): UiChunk[] => {
  const writer = writing();
  const deltas = deltasOf(tokens, cuts).flatMap((delta) => writer.delta(delta));
  return [...writer.start(), ...deltas, ...writer.end(end)];
};

/** What the SDK's own reader makes of the chunks. */
const read = async (chunks: readonly UiChunk[]): Promise<UIMessage> => {
  const stream = new ReadableStream<UIMessageChunk>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  let message: UIMessage | undefined;
  for await (const version of readUIMessageStream({ stream, terminateOnError: true })) message = version;
  if (message === undefined) throw new Error('expected a message');
  return message;
};

const joined = (message: UIMessage, type: 'text' | 'reasoning'): string =>
  message.parts.map((part) => (part.type === type ? part.text : '')).join('');

describe('a generation told to the AI SDK', () => {
  test.each(['stop', 'cancelled', 'abandoned'] as const)(
    'tells its usage where it ends as %s',
    async (reason) => {
      const usage = { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3, estimated: true };
      const message = await read(told(['a'], { reason, usage }));
      expect(message.metadata).toEqual({
        usage: { inputTokens: 2, outputTokens: 1, totalTokens: 3, estimated: true },
      });
    },
  );

  test('becomes the same message however its tokens are joined, with exactly the stored text', async () => {
    await fc.assert(
      fc.asyncProperty(anyTokens(40), anyReason, anyCuts, async (tokens, end, cuts) => {
        const message = await read(told(tokens, end, cuts));
        expect(message).toEqual(await read(told(tokens, end)));
        const { reasoning = '' } = transcriptOf(tokens);
        const said = tokens.filter((token) => ['text', 'refusal'].includes(kindOf(token)));
        expect([joined(message, 'text'), joined(message, 'reasoning')]).toEqual([
          said.map(textOf).join(''),
          reasoning,
        ]);
        const isRefused = tokens.some((token) => kindOf(token) === 'refusal');
        expect(message.metadata).toEqual(isRefused ? { refusal: true } : undefined);
        expect(message).toMatchObject({ id: 'g1', role: 'assistant' });
      }),
      { numRuns: 200 },
    );
  });

  test('is rebuilt by what follows a restart of its text, whatever was told before', async () => {
    await fc.assert(
      fc.asyncProperty(anyTokens(20), anyTokens(20), anyCuts, async (void_, after, cuts) => {
        // The SDK shows the beginning of a step only with what follows it.
        const tokens = [...after, 'x'];
        const writer = writing();
        const chunks = [...writer.start()];
        for (const delta of deltasOf(void_, cuts)) chunks.push(...writer.delta(delta));
        chunks.push(...writer.reset());
        for (const delta of deltasOf(tokens, cuts)) chunks.push(...writer.delta(delta));
        chunks.push(...writer.end(STOP));
        expect(await read(chunks)).toEqual(await read(told(tokens, STOP)));
      }),
      { numRuns: 200 },
    );
  });

  test('keeps reasoning, text and calls apart, and calls end with the generation', () => {
    const call = (text: string, tool: object): Token => ({
      kind: 'tool_call',
      text,
      tool: { index: 0, ...tool },
    });
    const tokens: Token[] = [
      { kind: 'reasoning', text: 'hm' },
      'It ',
      'is',
      call('{"in":', { id: 'c1', name: 'weather' }),
      call('"Rome"}', {}),
    ];
    expect(told(tokens, { reason: 'tool_calls' })).toEqual([
      { type: 'start', messageId: 'g1' },
      { type: 'start-step' },
      { type: 'reasoning-start', id: 'g1-1' },
      { type: 'reasoning-delta', id: 'g1-1', delta: 'hm' },
      { type: 'reasoning-end', id: 'g1-1' },
      { type: 'text-start', id: 'g1-2' },
      { type: 'text-delta', id: 'g1-2', delta: 'It ' },
      { type: 'text-delta', id: 'g1-2', delta: 'is' },
      { type: 'text-end', id: 'g1-2' },
      { type: 'tool-input-start', toolCallId: 'c1', toolName: 'weather' },
      { type: 'tool-input-delta', toolCallId: 'c1', inputTextDelta: '{"in":' },
      { type: 'tool-input-delta', toolCallId: 'c1', inputTextDelta: '"Rome"}' },
      { type: 'tool-input-available', toolCallId: 'c1', toolName: 'weather', input: { in: 'Rome' } },
      { type: 'finish-step' },
      { type: 'finish', finishReason: 'tool-calls' },
    ]);
  });

  test('says what is wrong with a call that is not JSON, and nothing of one that was cut short', () => {
    const half: Token = { kind: 'tool_call', text: '{"in', tool: { index: 0, id: 'c1', name: 'weather' } };
    const wrong = told([half], { reason: 'length' }).find(({ type }) => type === 'tool-input-error');
    expect(wrong).toMatchObject({ toolCallId: 'c1', toolName: 'weather', input: '{"in' });
    const types = told([half], { reason: 'cancelled' }).map(({ type }) => type);
    expect(types.slice(2)).toEqual(['tool-input-start', 'tool-input-delta', 'abort']);
  });

  test('shows sources, images and other parts, and keeps what a server wants back', async () => {
    const part = (index: number, type: string, data: unknown, id?: string): Token => ({
      ...{ kind: 'part', text: JSON.stringify(data) },
      part: { index, type, ...(id === undefined ? {} : { id }) },
    });
    const cited = { url: 'https://a.example', title: 'A', start_index: 0 };
    const tokens: Token[] = [
      { kind: 'reasoning', text: 'hm' },
      part(0, 'reasoning_fields', { reasoning_details: [{ signature: 's1' }] }),
      'It ',
      part(1, 'annotation', { type: 'url_citation', url_citation: cited }),
      'is.',
      part(2, 'image', { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }),
      part(3, 'call_fields', { extra_content: { google: { thought_signature: 's2' } } }, 'c1'),
      { kind: 'tool_call', text: '{}', tool: { index: 0, id: 'c1', name: 'f' } },
      part(4, 'data-mood', 'good'),
      part(5, 'new', { x: 1 }),
    ];
    const message = await read(told(tokens, { reason: 'tool_calls' }));
    const fields = (value: object): object => ({ sluice: value });
    expect(message.parts).toMatchObject([
      { type: 'step-start' },
      { type: 'reasoning', text: 'hm' },
      {
        ...{ type: 'reasoning', text: '' },
        providerMetadata: fields({ reasoning_details: [{ signature: 's1' }] }),
      },
      { type: 'text', text: 'It is.' },
      { type: 'source-url', url: 'https://a.example', title: 'A' },
      { type: 'file', mediaType: 'image/png', url: 'data:image/png;base64,AA==' },
      {
        ...{ type: 'tool-f', toolCallId: 'c1', input: {} },
        callProviderMetadata: fields({ extra_content: { google: { thought_signature: 's2' } } }),
      },
      { type: 'data-mood', data: 'good' },
      { type: 'data-part', data: { type: 'new', data: { x: 1 } } },
    ]);
  });

  test('ends with the failure that its log ends with', () => {
    const failure = { reason: 'error', error: { code: 'upstream_rejected', message: 'too long' } } as const;
    expect(told(['a'], failure).slice(-2)).toEqual([
      { type: 'message-metadata', messageMetadata: { error: failure.error } },
      { type: 'error', errorText: 'too long' },
    ]);
    const upstream = { status: 400, code: 'context_length_exceeded', message: 'at most 8192 tokens' };
    const { code, message } = upstream;
    expect(told([], { ...failure, error: { ...failure.error, upstream } }).slice(-2)).toEqual([
      { type: 'message-metadata', messageMetadata: { error: { code, message } } },
      { type: 'error', errorText: message },
    ]);
  });
});
