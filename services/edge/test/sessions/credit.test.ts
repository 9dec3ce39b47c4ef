import { describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import { askOk, settled, textOf } from '../support/asking.ts';
import { attachmentScene, endOf, subscribe } from '../support/attachment-scene.ts';

const scene = attachmentScene();
const { running, untilText } = scene;

describe('R4: a viewer out of credit', () => {
  test('has at most `window` un-acked frames, and gets the rest as one when it acks', async () => {
    const run = await running();
    const slow = await scene.target.open();
    await askOk(slow, subscribe({ window: 2 }));
    for (const token of ['a', 'b', 'c', 'd', 'e']) {
      await run.write(token);
      const text = `${textOf(scene.author, scene.key.generation)}`;
      await untilText(scene.author, text.includes(token) ? text : text + token);
    }
    await settled(slow);
    expect(slow.frames('delta').map(({ text }) => text)).toEqual(['a', 'b']);
    await askOk(slow, { type: 'ack', session: 's1', generation: scene.key.generation, epoch: 0, seq: 1 });
    await untilText(slow, 'abcde');
    expect(slow.frames('delta').map(({ text }) => text)).toEqual(['a', 'b', 'cde']);
  });

  test('gains nothing by acks of what it never got, or of another epoch', async () => {
    const run = await running();
    const slow = await scene.target.open();
    await askOk(slow, subscribe({ window: 1 }));
    await run.write('a');
    await untilText(slow, 'a');
    await run.write('b');
    await untilText(scene.author, 'ab');
    for (const [epoch, seq] of [
      [0, 2],
      [0, 1_000],
      [1, 1],
      [0, 0],
    ])
      await askOk(slow, { type: 'ack', session: 's1', generation: scene.key.generation, epoch, seq });
    expect(textOf(slow, scene.key.generation)).toBe('a');
    await askOk(slow, { type: 'ack', session: 's1', generation: scene.key.generation, epoch: 0, seq: 1 });
    await untilText(slow, 'ab');
  });

  test('does not hold up others, and still gets items', async () => {
    const run = await running();
    const slow = await scene.target.open();
    await askOk(slow, subscribe({ window: 1 }));
    await run.write('a', 'b', 'c');
    await run.end();
    await endOf(scene.author);
    await waitFor(() => slow.frames('item').some(({ item }) => 'status' in item && item.status === 'done'), {
      what: 'the item that is done',
    });
  });

  test('that observes needs no acks', async () => {
    const run = await running();
    const observer = await scene.target.open();
    await askOk(observer, subscribe({ observe: true, window: 1 }));
    for (let i = 0; i < 300; i += 1) await run.write('x');
    await run.end();
    await endOf(observer);
    expect(textOf(observer, scene.key.generation)).toBe('x'.repeat(300));
  });
});
