import { describe, expect, test } from '@jest/globals';
import { askOk, codeOf, keyOf, newId, settled, textOf } from '../support/asking.ts';
import { attachmentScene, endOf, subscribe } from '../support/attachment-scene.ts';

const scene = attachmentScene();
const { at, finished, prompt } = scene;

describe('R3: a generation whose tokens have expired', () => {
  const expire = (): void => {
    scene.world.hub.chunks.clear();
    scene.world.hub.log.length = 0;
  };

  test('comes as the full text of its item, then the end', async () => {
    await finished('a', 'b', 'c');
    expire();
    const other = await scene.world.addEdge();
    const late = await other.open();
    await askOk(late, subscribe(at(0, 0)));
    await endOf(late);
    expect(late.frames('subscribed')[0]?.items).toMatchObject([{ text: 'abc', status: 'done' }]);
    expect(textOf(late, scene.key.generation)).toBe('abc');
    expect(late.frames('end')).toMatchObject([{ epoch: 0, seq: 3, reason: 'stop' }]);
  });

  test('is reset for a position in the middle of it', async () => {
    await finished('a', 'b', 'c');
    expire();
    const other = await scene.world.addEdge();
    const back = await other.open();
    await askOk(back, subscribe(at(0, 2)));
    await endOf(back);
    expect(back.frames('reset')).toHaveLength(1);
    expect(textOf(back, scene.key.generation)).toBe('abc');
  });

  test('only ends for a position at its end', async () => {
    await finished('a', 'b', 'c');
    expire();
    const other = await scene.world.addEdge();
    const back = await other.open();
    await askOk(back, subscribe(at(0, 3)));
    await endOf(back);
    expect(back.frames('delta')).toEqual([]);
    expect(back.frames('reset')).toEqual([]);
  });
});

describe('a generation whose log took no end', () => {
  /** Its item is done, wherever its worker stood. */
  const endInItem = async (epoch: number, seq: number, text: string): Promise<void> => {
    const { sessions } = scene.world.bus;
    const stored = await sessions.item(scene.key, scene.key.generation);
    if (stored?.item.kind !== 'generation') throw new Error('expected a generation');
    const error = { code: 'storage_limit', message: 'the token log is full' };
    const end = { status: 'done', reason: 'error', error } as const;
    await sessions.updateItem(scene.key, { ...stored.item, ...end, epoch, seq, text }, stored.rev);
  };

  test.each([
    ['in an epoch that the log has nothing of', 1, 0, '', 1],
    ['before its last tokens', 0, 1, 'a', 1],
    ['where the log ends', 0, 2, 'ab', 0],
  ] as const)('ends once for everybody: %s', async (_where, epoch, seq, text, resets) => {
    await scene.running('a', 'b');
    await scene.untilText(scene.author, 'ab');
    await endInItem(epoch, seq, text);
    const ended = { epoch, seq, reason: 'error', error: { code: 'storage_limit' } };
    expect(await endOf(scene.author)).toMatchObject(ended);
    expect(scene.author.frames('reset')).toHaveLength(resets);
    const other = await scene.world.addEdge();
    const late = await other.open();
    await askOk(late, subscribe(at(0, 0)));
    expect(await endOf(late)).toMatchObject(ended);
    expect(textOf(late, scene.key.generation)).toBe(text);
    await settled(late);
    for (const client of [scene.author, late]) expect(client.frames('end')).toHaveLength(1);
  });

  test('ends where no log is left either', async () => {
    await scene.running();
    await endInItem(1, 0, '');
    expect(await endOf(scene.author)).toMatchObject({ epoch: 1, seq: 0, reason: 'error' });
  });
});

describe('R7: a generation that is done', () => {
  test('is its item and nothing else, where it is not named', async () => {
    await finished('a', 'b');
    await endOf(scene.author);
    const late = await scene.target.open();
    await askOk(late, subscribe());
    await settled(late);
    expect(late.frames('subscribed')[0]?.items).toMatchObject([
      { text: 'ab', status: 'done', reason: 'stop' },
    ]);
    expect([...late.frames('delta'), ...late.frames('end')]).toEqual([]);
  });

  test('is followed by what is missing and its end, where it is named', async () => {
    await finished('a', 'b');
    const back = await scene.target.open();
    await askOk(back, subscribe(at(0, 1)));
    await endOf(back);
    expect(textOf(back, scene.key.generation)).toBe('b');
  });

  test('ends once even where nothing is missing', async () => {
    await finished('a', 'b');
    const back = await scene.target.open();
    await askOk(back, subscribe(at(0, 2)));
    await endOf(back);
    await settled(back);
    expect(back.frames('end')).toHaveLength(1);
    expect(back.frames('delta')).toEqual([]);
  });

  test('that does not exist yet is ignored, and starts at 0 when it is created', async () => {
    const future = newId();
    await askOk(scene.author, subscribe(at(3, 99, future)));
    await askOk(scene.author, prompt(future));
    const run = await scene.worker.claim(keyOf('s1', future));
    await run.write('a');
    await run.end();
    await endOf(scene.author);
    expect(textOf(scene.author, future)).toBe('a');
    expect(scene.author.frames('reset')).toEqual([]);
  });

  test('named beside ids of messages or of nothing does no harm', async () => {
    await askOk(scene.author, { type: 'message', session: 's1', message: 'm1', text: 'x' });
    const positions = { m1: { epoch: 0, seq: 5 }, nothing: { epoch: 1, seq: 1 } };
    expect(await codeOf(scene.author, subscribe({ positions }))).toBe('ok');
  });
});
