/** What is stored under a generation and cannot be read costs nobody but that generation. */
import { describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { Worker } from '../src/worker.ts';
import { freshScene } from './support/scene.ts';

const scene = freshScene();

const metricsOf = ({ metrics }: Worker): Promise<string> => metrics.registry.metrics();

describe('a generation', () => {
  test('whose prompt cannot be read ends with an error, once and at once', async () => {
    await scene.world.submit('g');
    scene.world.hub.prompts.set('acme.s.g', '{"body":7}');
    const worker = await scene.world.start();
    expect(await scene.world.until('g', 'done')).toMatchObject({
      reason: 'error',
      error: { code: 'internal' },
      attempt: 1,
    });
    expect((await scene.world.head('g'))?.end).toMatchObject({ reason: 'error' });
    expect([...scene.world.hub.jobs.values()].flat()).toEqual([]);
    expect(scene.world.engine.requests).toEqual([]);
    expect(await metricsOf(worker)).toContain('sluice_worker_foreign_messages_total{kind="prompt"} 1');
  });

  test('whose item cannot be read is not run, and its job is done', async () => {
    await scene.world.submit('g');
    scene.world.hub.items.set('acme.s.g', { rev: scene.world.hub.rev, text: '{}' });
    const worker = await scene.world.start();
    await scene.world.submit('next');
    scene.world.engine.say('next', 'a');
    scene.world.engine.end('next');
    expect(await scene.world.until('next', 'done')).toMatchObject({ text: 'a' });
    await waitFor(async () => (await metricsOf(worker)).includes('{kind="item"}'), {
      what: 'the item to be counted',
    });
    expect(scene.world.engine.requests.map(({ generation }) => generation)).toEqual(['next']);
  });

  test('is answered as if what cannot be read had never been said in its session', async () => {
    scene.world.hub.items.set('acme.s.bad', { rev: 1, text: 'no JSON' });
    await scene.world.start();
    await scene.world.submit('g');
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ reason: 'stop' });
  });
});
