import { describe, expect, test } from '@jest/globals';
import type { RawClient } from '@sluice/testkit';
import { askOk, textOf } from '../support/asking.ts';
import { attachmentScene, endOf, expectTiled, subscribe } from '../support/attachment-scene.ts';

const scene = attachmentScene();
const { at, prompt, running, untilText } = scene;

describe('R1: deltas tile the text in order, without hole or overlap', () => {
  test('for a viewer from the start', async () => {
    const run = await running();
    const tokens = Array.from({ length: 100 }, (_, i) => `t${i}"é\n`);
    for (const token of tokens) await run.write(token);
    await run.end({ reason: 'stop', usage: { completion_tokens: 100 } });
    const end = await endOf(scene.author);
    expect(textOf(scene.author, scene.key.generation)).toBe(tokens.join(''));
    expectTiled(scene.author.frames('delta'));
    expect(end).toEqual({
      type: 'end',
      session: 's1',
      generation: scene.key.generation,
      epoch: 0,
      seq: 100,
      reason: 'stop',
      usage: { completion_tokens: 100 },
    });
    expect(scene.author.frames('end')).toHaveLength(1);
  });

  test('for viewers that come at any point of it', async () => {
    const run = await running();
    const late: RawClient[] = [];
    const tokens = Array.from({ length: 70 }, (_, i) => `${i},`);
    for (const [index, token] of tokens.entries()) {
      if (index % 7 === 0) {
        const client = await scene.target.open();
        late.push(client);
        client.send(subscribe(at(0, 0)));
      }
      await run.write(token);
    }
    await run.end();
    for (const client of late) {
      await endOf(client);
      expect(textOf(client, scene.key.generation)).toBe(tokens.join(''));
      expectTiled(client.frames('delta'));
    }
  });

  test('for a viewer that comes back with a position', async () => {
    const run = await running('a', 'b', 'c');
    const back = await scene.target.open();
    await askOk(back, subscribe(at(0, 2)));
    await run.write('d');
    await run.end();
    await endOf(back);
    expect(back.frames('reset')).toEqual([]);
    expect(textOf(back, scene.key.generation)).toBe('cd');
    expectTiled(back.frames('delta'), 2);
  });

  test('for a viewer on another edge', async () => {
    const other = await scene.world.addEdge();
    const run = await running('a');
    const far = await other.open();
    await askOk(far, subscribe());
    await run.write('b');
    await run.end();
    await endOf(far);
    expect(textOf(far, scene.key.generation)).toBe('ab');
  });

  test('in frames of one kind each', async () => {
    const tool = { index: 0, id: 'c1', name: 'f' };
    const run = await running();
    await askOk(scene.author, { type: 'unsubscribe', session: 's1' });
    await run.write({ kind: 'reasoning', text: 'hm' }, { kind: 'reasoning', text: '!' }, 'a', 'b');
    await run.write(
      { kind: 'tool_call', text: '{', tool },
      { kind: 'tool_call', text: '}', tool: { index: 0 } },
    );
    await run.end({ reason: 'tool_calls' });
    const late = await scene.target.open();
    await askOk(late, subscribe(at(0, 0)));
    await endOf(late);
    expect(late.frames('delta').map(({ kind, text, seq, tool: ref }) => [kind, text, seq, ref])).toEqual([
      ['reasoning', 'hm!', 2, undefined],
      [undefined, 'ab', 4, undefined],
      ['tool_call', '{}', 6, tool],
    ]);
  });
});

describe('R2: a position that the log does not have', () => {
  test('ahead of the log restarts at 0 after a reset', async () => {
    const run = await running('a', 'b');
    const back = await scene.target.open();
    await askOk(back, subscribe(at(0, 50)));
    await untilText(back, 'ab');
    expect(back.frames('reset')).toMatchObject([{ generation: scene.key.generation, epoch: 0 }]);
    expectTiled(back.frames('delta'));
    await run.end();
    await endOf(back);
  });

  test('of an unknown epoch restarts at 0 of the current one after a reset', async () => {
    await running('a', 'b');
    const back = await scene.target.open();
    await askOk(back, subscribe(at(7, 1)));
    await untilText(back, 'ab');
    expect(back.frames('reset')).toHaveLength(1);
  });

  test('restarts everyone when a worker starts the text again', async () => {
    const run = await running('a', 'b');
    await untilText(scene.author, 'ab');
    await run.requeue();
    const again = await scene.worker.claim(scene.key, { newEpoch: true });
    await again.write('x', 'y');
    await again.end();
    await endOf(scene.author);
    expect(scene.author.frames('reset')).toMatchObject([{ epoch: 1 }]);
    expect(textOf(scene.author, scene.key.generation)).toBe('xy');
    const back = await scene.target.open();
    await askOk(back, subscribe(at(0, 1)));
    await endOf(back);
    expect(textOf(back, scene.key.generation)).toBe('xy');
    expect(back.frames('reset')).toMatchObject([{ epoch: 1 }]);
  });
});

describe('R5: before the first token', () => {
  test('the item is queued, and deltas follow', async () => {
    await askOk(scene.author, prompt());
    scene.author.terminate();
    const back = await scene.target.open();
    await askOk(back, subscribe(at(0, 0)));
    expect(back.frames('subscribed')[0]?.items).toMatchObject([{ status: 'queued', attempt: 0, seq: 0 }]);
    const run = await scene.worker.claim(scene.key);
    await run.write('a');
    await run.end();
    await endOf(back);
    expect(textOf(back, scene.key.generation)).toBe('a');
    expect(back.frames('reset')).toEqual([]);
  });
});
