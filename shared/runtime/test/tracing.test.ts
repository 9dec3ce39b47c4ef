import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startTraceCollector } from '@sluice/testkit';
import type { TraceCollector } from '@sluice/testkit';
import { NO_TRACING, openTracing } from '../src/index.ts';
import type { Tracing } from '../src/index.ts';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const EDGE = { service: 'edge', instance: 'edge-1' };
const OTHER = '00-11111111111111111111111111111111-2222222222222222-01';

let collector: TraceCollector;
let tracing: Tracing;
beforeEach(async () => {
  collector = await startTraceCollector();
  tracing = await openTracing({ ...EDGE, endpoint: `${collector.url}/`, closeMs: 200 });
});
afterEach(async () => {
  await tracing.close();
  await collector.close();
});

describe('tracing', () => {
  test('puts a span below the one that asked for it, with its attributes, events and links', async () => {
    const span = tracing.span('prompt', {
      parent: PARENT,
      kind: 'server',
      attributes: { 'sluice.session': 's' },
      links: [OTHER, undefined],
    });
    span.event('first_token', { seq: 1 });
    span.end({ attributes: { 'gen_ai.response.finish_reasons': ['stop'] } });
    await tracing.close();
    expect(collector.spans).toEqual([
      {
        ...{ service: 'sluice-edge', name: 'prompt', isError: false },
        ...{ traceId: PARENT.split('-')[1], parentSpanId: PARENT.split('-')[2] },
        spanId: span.traceparent?.split('-')[2],
        attributes: { 'sluice.session': 's', 'gen_ai.response.finish_reasons': ['stop'] },
        events: [expect.objectContaining({ name: 'first_token' })],
        links: [expect.objectContaining({ traceId: OTHER.split('-')[1], spanId: OTHER.split('-')[2] })],
      },
    ]);
  });

  test.each([undefined, '', 'nonsense', '01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'])(
    'begins a trace below %p',
    async (parent) => {
      tracing.span('prompt', { parent }).end();
      await tracing.close();
      expect(collector.spans.map(({ parentSpanId }) => parentSpanId)).toEqual(['']);
    },
  );

  test('names the code of a failure', async () => {
    tracing.span('generation').end({ error: 'engine_failed' });
    await tracing.close();
    expect(collector.spans).toMatchObject([{ isError: true, attributes: { 'error.type': 'engine_failed' } }]);
  });

  test('ends a span once', async () => {
    const span = tracing.span('generation');
    span.end();
    span.end({ error: 'late' });
    await tracing.close();
    expect(collector.spans).toMatchObject([{ isError: false }]);
  });

  test('tells nothing of what the client does not want recorded', async () => {
    const span = tracing.span('prompt', { parent: PARENT.replace(/01$/, '00') });
    span.end();
    await tracing.close();
    expect(collector.spans).toEqual([]);
    expect(span.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-.*-00$/);
  });

  test('does not wait for a collector that is away', async () => {
    await collector.close();
    tracing.span('prompt').end();
    const begun = performance.now();
    await tracing.close();
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test('passes on what it was given where nobody collects', async () => {
    const none = await openTracing({ ...EDGE, endpoint: undefined });
    expect(none).toBe(NO_TRACING);
    expect(none.span('prompt', { parent: PARENT }).traceparent).toBe(PARENT);
  });
});
