import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BusUnavailableError } from '@sluice/bus';
import type { DeltaFrame, GenerationKey, ServerFrame } from '@sluice/protocol';
import { ManualClock, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { ask, askOk, codeOf, keyOf, newId, settled, textOf } from '../support/asking.ts';
import type { FakeRun, FakeWorker } from '../support/fake-worker.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

let world: World;
let clock: ManualClock;
let target: TestEdge;
let worker: FakeWorker;
let author: RawClient;
let key: GenerationKey;
beforeEach(async () => {
  world = createWorld();
  clock = new ManualClock(Date.now());
  target = await world.addEdge({ clock });
  worker = await world.addWorker();
  author = await target.open();
  key = keyOf('s1', newId());
});
afterEach(() => world.close());

const prompt = (generation: string = key.generation) => ({
  type: 'prompt',
  session: 's1',
  generation,
  input: 'hello',
});
const subscribe = (more: Readonly<Record<string, unknown>> = {}) => ({
  type: 'subscribe',
  session: 's1',
  ...more,
});
const at = (epoch: number, seq: number, generation: string = key.generation) => ({
  positions: { [generation]: { epoch, seq } },
});

/** A generation that is claimed and has the tokens. */
const running = async (...tokens: string[]): Promise<FakeRun> => {
  await askOk(author, prompt());
  const run = await worker.claim(key);
  await run.write(...tokens);
  return run;
};
const finished = async (...tokens: string[]): Promise<FakeRun> => {
  const run = await running(...tokens);
  await run.end();
  return run;
};

const endOf = (client: RawClient): Promise<ServerFrame> =>
  waitFor(() => client.frames('end')[0], { what: 'the end', pollMs: 1 });
const untilText = (client: RawClient, text: string): Promise<boolean> =>
  waitFor(() => textOf(client, key.generation) === text, { what: `the text ${text}`, pollMs: 1 });

/** Every delta starts where the one before it ended. */
const expectTiled = (deltas: readonly DeltaFrame[], from = 0): void => {
  let seq = from;
  for (const delta of deltas) {
    expect(delta.from).toBe(seq);
    expect(delta.seq).toBeGreaterThan(seq);
    seq = delta.seq;
  }
};

describe('subscribed', () => {
  test('comes first, with the items, and is followed by the unfinished', async () => {
    await running('a', 'b');
    const late = await target.open();
    await askOk(late, subscribe());
    await untilText(late, 'ab');
    const [first] = late.frames().slice(1);
    expect(first).toMatchObject({ type: 'subscribed', session: 's1', viewers: 2 });
    expect(first).toMatchObject({ items: [{ id: key.generation, status: 'running', input: 'hello' }] });
    expect(first).not.toHaveProperty('more');
  });

  test('of an empty session has rev 0 and no items', async () => {
    await askOk(author, subscribe());
    const [frame] = author.frames('subscribed');
    const [ready] = author.frames('ready');
    const present = [{ user: 'ann', connection: ready?.connection }];
    expect(frame).toEqual({ type: 'subscribed', session: 's1', rev: 0, viewers: 1, present, items: [] });
  });

  test('with a rev lists what changed since, oldest change first', async () => {
    for (const message of ['m1', 'm2', 'm3'])
      await askOk(author, { type: 'message', session: 's1', message, text: message });
    await askOk(author, subscribe());
    const [all] = author.frames('subscribed');
    expect(all?.items.map(({ id }) => id)).toEqual(['m1', 'm2', 'm3']);
    const late = await target.open();
    await askOk(late, subscribe({ rev: all?.items[0]?.rev ?? 0 }));
    const [some] = late.frames('subscribed');
    expect(some?.items.map(({ id }) => id)).toEqual(['m2', 'm3']);
    expect(some?.rev).toBe(all?.rev);
  });

  test('with the newest rev, or one beyond it, lists nothing', async () => {
    await askOk(author, { type: 'message', session: 's1', message: 'm1', text: 'x' });
    await askOk(author, subscribe());
    const rev = author.frames('subscribed')[0]?.rev ?? 0;
    for (const since of [rev, rev + 1_000]) {
      await askOk(author, subscribe({ rev: since }));
      expect(author.frames('subscribed').at(-1)).toMatchObject({ rev: since, items: [] });
    }
  });

  test('pages of a long session say `more`, and their revs lead through all of it', async () => {
    for (let i = 0; i < 230; i += 1)
      await askOk(author, { type: 'message', session: 's1', message: `m${i}`, text: 'x' });
    const ids: string[] = [];
    for (let rev = 0, more = true; more;) {
      const pages = author.frames('subscribed').length;
      await askOk(author, subscribe({ rev }));
      const page = author.frames('subscribed')[pages];
      ids.push(...(page?.items ?? []).map(({ id }) => id));
      more = page?.more === true;
      rev = page?.rev ?? 0;
    }
    expect(author.frames('subscribed').length).toBeGreaterThan(1);
    expect(ids).toEqual(Array.from({ length: 230 }, (_, i) => `m${i}`));
  });

  test('is answered unavailable while storage is down, and works when it is back', async () => {
    target.recording.isDown = true;
    expect(await ask(author, subscribe())).toMatchObject({ code: 'unavailable', retryable: true });
    target.recording.isDown = false;
    expect(await codeOf(author, subscribe())).toBe('ok');
    expect(author.frames('subscribed')).toMatchObject([{ viewers: 1 }]);
  });
});

describe('R1: deltas tile the text in order, without hole or overlap', () => {
  test('for a viewer from the start', async () => {
    const run = await running();
    const tokens = Array.from({ length: 100 }, (_, i) => `t${i}"é\n`);
    for (const token of tokens) await run.write(token);
    await run.end({ reason: 'stop', usage: { completion_tokens: 100 } });
    const end = await endOf(author);
    expect(textOf(author, key.generation)).toBe(tokens.join(''));
    expectTiled(author.frames('delta'));
    expect(end).toEqual({
      type: 'end',
      session: 's1',
      generation: key.generation,
      epoch: 0,
      seq: 100,
      reason: 'stop',
      usage: { completion_tokens: 100 },
    });
    expect(author.frames('end')).toHaveLength(1);
  });

  test('for viewers that come at any point of it', async () => {
    const run = await running();
    const late: RawClient[] = [];
    const tokens = Array.from({ length: 70 }, (_, i) => `${i},`);
    for (const [index, token] of tokens.entries()) {
      if (index % 7 === 0) {
        const client = await target.open();
        late.push(client);
        client.send(subscribe(at(0, 0)));
      }
      await run.write(token);
    }
    await run.end();
    for (const client of late) {
      await endOf(client);
      expect(textOf(client, key.generation)).toBe(tokens.join(''));
      expectTiled(client.frames('delta'));
    }
  });

  test('for a viewer that comes back with a position', async () => {
    const run = await running('a', 'b', 'c');
    const back = await target.open();
    await askOk(back, subscribe(at(0, 2)));
    await run.write('d');
    await run.end();
    await endOf(back);
    expect(back.frames('reset')).toEqual([]);
    expect(textOf(back, key.generation)).toBe('cd');
    expectTiled(back.frames('delta'), 2);
  });

  test('for a viewer on another edge', async () => {
    const other = await world.addEdge();
    const run = await running('a');
    const far = await other.open();
    await askOk(far, subscribe());
    await run.write('b');
    await run.end();
    await endOf(far);
    expect(textOf(far, key.generation)).toBe('ab');
  });

  test('in frames of one kind each', async () => {
    const tool = { index: 0, id: 'c1', name: 'f' };
    const run = await running();
    await askOk(author, { type: 'unsubscribe', session: 's1' });
    await run.write({ kind: 'reasoning', text: 'hm' }, { kind: 'reasoning', text: '!' }, 'a', 'b');
    await run.write(
      { kind: 'tool_call', text: '{', tool },
      { kind: 'tool_call', text: '}', tool: { index: 0 } },
    );
    await run.end({ reason: 'tool_calls' });
    const late = await target.open();
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
    const back = await target.open();
    await askOk(back, subscribe(at(0, 50)));
    await untilText(back, 'ab');
    expect(back.frames('reset')).toMatchObject([{ generation: key.generation, epoch: 0 }]);
    expectTiled(back.frames('delta'));
    await run.end();
    await endOf(back);
  });

  test('of an unknown epoch restarts at 0 of the current one after a reset', async () => {
    await running('a', 'b');
    const back = await target.open();
    await askOk(back, subscribe(at(7, 1)));
    await untilText(back, 'ab');
    expect(back.frames('reset')).toHaveLength(1);
  });

  test('restarts everyone when a worker starts the text again', async () => {
    const run = await running('a', 'b');
    await untilText(author, 'ab');
    await run.requeue();
    const again = await worker.claim(key, { newEpoch: true });
    await again.write('x', 'y');
    await again.end();
    await endOf(author);
    expect(author.frames('reset')).toMatchObject([{ epoch: 1 }]);
    expect(textOf(author, key.generation)).toBe('xy');
    const back = await target.open();
    await askOk(back, subscribe(at(0, 1)));
    await endOf(back);
    expect(textOf(back, key.generation)).toBe('xy');
    expect(back.frames('reset')).toMatchObject([{ epoch: 1 }]);
  });
});

describe('R3: a generation whose tokens have expired', () => {
  const expire = (): void => {
    world.hub.heads.clear();
    world.hub.log.length = 0;
  };

  test('comes as the full text of its item, then the end', async () => {
    await finished('a', 'b', 'c');
    expire();
    const other = await world.addEdge();
    const late = await other.open();
    await askOk(late, subscribe(at(0, 0)));
    await endOf(late);
    expect(late.frames('subscribed')[0]?.items).toMatchObject([{ text: 'abc', status: 'done' }]);
    expect(textOf(late, key.generation)).toBe('abc');
    expect(late.frames('end')).toMatchObject([{ epoch: 0, seq: 3, reason: 'stop' }]);
  });

  test('is reset for a position in the middle of it', async () => {
    await finished('a', 'b', 'c');
    expire();
    const other = await world.addEdge();
    const back = await other.open();
    await askOk(back, subscribe(at(0, 2)));
    await endOf(back);
    expect(back.frames('reset')).toHaveLength(1);
    expect(textOf(back, key.generation)).toBe('abc');
  });

  test('only ends for a position at its end', async () => {
    await finished('a', 'b', 'c');
    expire();
    const other = await world.addEdge();
    const back = await other.open();
    await askOk(back, subscribe(at(0, 3)));
    await endOf(back);
    expect(back.frames('delta')).toEqual([]);
    expect(back.frames('reset')).toEqual([]);
  });
});

describe('a log that cannot be read for a moment', () => {
  /** The next reads of heads fail, as during an election, on this edge alone. */
  const failHeads = ({ recording }: TestEdge, times: number): void => {
    const { head } = recording.bus.tokens;
    let left = times;
    Object.assign(recording.bus.tokens, {
      head: (...args: Parameters<typeof head>) => {
        left -= 1;
        return left >= 0 ? Promise.reject(new BusUnavailableError('an election')) : head(...args);
      },
    });
  };
  /** Time goes on for the edge until it holds. */
  const whileTimePasses = (holds: () => boolean, what: string): Promise<true> =>
    waitFor(
      () => {
        clock.advance(100);
        return holds() as true;
      },
      { what, timeoutMs: 8_000 },
    );

  test('is read again for a viewer who has nothing yet, though live records go on', async () => {
    const run = await running('a', 'b');
    const other = await world.addEdge({ clock });
    failHeads(other, 2);
    const late = await other.open();
    await askOk(late, subscribe());
    await run.write('c');
    await whileTimePasses(() => textOf(late, key.generation) === 'abc', 'the text so far');
    await run.end();
    await endOf(late);
  });

  test('is read again when the first read brings neither an answer nor an error', async () => {
    const run = await running('a', 'b');
    const other = await world.addEdge({ clock });
    const { head } = other.recording.bus.tokens;
    let reads = 0;
    Object.assign(other.recording.bus.tokens, {
      head: (...args: Parameters<typeof head>) => {
        reads += 1;
        return reads === 1 ? new Promise(() => undefined) : head(...args);
      },
    });
    const late = await other.open();
    await askOk(late, subscribe());
    await run.write('c');
    await whileTimePasses(() => textOf(late, key.generation) === 'abc', 'the text so far');
    await run.end();
    await endOf(late);
  });

  test('is read again for a viewer of the ended whose place is further back', async () => {
    const tokens = Array.from({ length: 80 }, (_, index) => `${index} `);
    await finished(...tokens);
    const other = await world.addEdge({ clock });
    const near = await other.open();
    await askOk(near, subscribe(at(0, 80)));
    await endOf(near);
    failHeads(other, 2);
    const far = await other.open();
    await askOk(far, subscribe(at(0, 0)));
    await whileTimePasses(() => far.frames('end').length > 0, 'the end');
    expect(textOf(far, key.generation)).toBe(tokens.join(''));
  });
});

describe('R4: a viewer out of credit', () => {
  test('has at most `window` un-acked frames, and gets the rest as one when it acks', async () => {
    const run = await running();
    const slow = await target.open();
    await askOk(slow, subscribe({ window: 2 }));
    for (const token of ['a', 'b', 'c', 'd', 'e']) {
      await run.write(token);
      const text = `${textOf(author, key.generation)}`;
      await untilText(author, text.includes(token) ? text : text + token);
    }
    await settled(slow);
    expect(slow.frames('delta').map(({ text }) => text)).toEqual(['a', 'b']);
    await askOk(slow, { type: 'ack', session: 's1', generation: key.generation, epoch: 0, seq: 1 });
    await untilText(slow, 'abcde');
    expect(slow.frames('delta').map(({ text }) => text)).toEqual(['a', 'b', 'cde']);
  });

  test('gains nothing by acks of what it never got, or of another epoch', async () => {
    const run = await running();
    const slow = await target.open();
    await askOk(slow, subscribe({ window: 1 }));
    await run.write('a');
    await untilText(slow, 'a');
    await run.write('b');
    await untilText(author, 'ab');
    for (const [epoch, seq] of [
      [0, 2],
      [0, 1_000],
      [1, 1],
      [0, 0],
    ])
      await askOk(slow, { type: 'ack', session: 's1', generation: key.generation, epoch, seq });
    expect(textOf(slow, key.generation)).toBe('a');
    await askOk(slow, { type: 'ack', session: 's1', generation: key.generation, epoch: 0, seq: 1 });
    await untilText(slow, 'ab');
  });

  test('does not hold up others, and still gets items', async () => {
    const run = await running();
    const slow = await target.open();
    await askOk(slow, subscribe({ window: 1 }));
    await run.write('a', 'b', 'c');
    await run.end();
    await endOf(author);
    await waitFor(() => slow.frames('item').some(({ item }) => 'status' in item && item.status === 'done'), {
      what: 'the item that is done',
    });
  });

  test('that observes needs no acks', async () => {
    const run = await running();
    const observer = await target.open();
    await askOk(observer, subscribe({ observe: true, window: 1 }));
    for (let i = 0; i < 300; i += 1) await run.write('x');
    await run.end();
    await endOf(observer);
    expect(textOf(observer, key.generation)).toBe('x'.repeat(300));
  });
});

describe('R5: before the first token', () => {
  test('the item is queued, and deltas follow', async () => {
    await askOk(author, prompt());
    author.terminate();
    const back = await target.open();
    await askOk(back, subscribe(at(0, 0)));
    expect(back.frames('subscribed')[0]?.items).toMatchObject([{ status: 'queued', attempt: 0, seq: 0 }]);
    const run = await worker.claim(key);
    await run.write('a');
    await run.end();
    await endOf(back);
    expect(textOf(back, key.generation)).toBe('a');
    expect(back.frames('reset')).toEqual([]);
  });
});

describe('R7: a generation that is done', () => {
  test('is its item and nothing else, where it is not named', async () => {
    await finished('a', 'b');
    await endOf(author);
    const late = await target.open();
    await askOk(late, subscribe());
    await settled(late);
    expect(late.frames('subscribed')[0]?.items).toMatchObject([
      { text: 'ab', status: 'done', reason: 'stop' },
    ]);
    expect([...late.frames('delta'), ...late.frames('end')]).toEqual([]);
  });

  test('is followed by what is missing and its end, where it is named', async () => {
    await finished('a', 'b');
    const back = await target.open();
    await askOk(back, subscribe(at(0, 1)));
    await endOf(back);
    expect(textOf(back, key.generation)).toBe('b');
  });

  test('ends once even where nothing is missing', async () => {
    await finished('a', 'b');
    const back = await target.open();
    await askOk(back, subscribe(at(0, 2)));
    await endOf(back);
    await settled(back);
    expect(back.frames('end')).toHaveLength(1);
    expect(back.frames('delta')).toEqual([]);
  });

  test('that does not exist yet is ignored, and starts at 0 when it is created', async () => {
    const future = newId();
    await askOk(author, subscribe(at(3, 99, future)));
    await askOk(author, prompt(future));
    const run = await worker.claim(keyOf('s1', future));
    await run.write('a');
    await run.end();
    await endOf(author);
    expect(textOf(author, future)).toBe('a');
    expect(author.frames('reset')).toEqual([]);
  });

  test('named beside ids of messages or of nothing does no harm', async () => {
    await askOk(author, { type: 'message', session: 's1', message: 'm1', text: 'x' });
    const positions = { m1: { epoch: 0, seq: 5 }, nothing: { epoch: 1, seq: 1 } };
    expect(await codeOf(author, subscribe({ positions }))).toBe('ok');
  });
});

describe('subscribing again', () => {
  test('moves the position of a live attachment', async () => {
    const run = await running('a', 'b', 'c');
    await untilText(author, 'abc');
    const before = author.frames('delta').length;
    await askOk(author, subscribe(at(0, 1)));
    await run.write('d');
    await run.end();
    await endOf(author);
    const after = author.frames('delta').slice(before);
    expectTiled(after, 1);
    expect(after.map(({ text }) => text).join('')).toBe('bcd');
    expect(author.frames('end')).toHaveLength(1);
  });

  test('with a smaller window is held to it', async () => {
    const run = await running();
    await askOk(author, subscribe({ window: 1, ...at(0, 0) }));
    const other = await target.open();
    await askOk(other, subscribe());
    await run.write('a');
    await untilText(author, 'a');
    await run.write('b');
    await untilText(other, 'ab');
    expect(textOf(author, key.generation)).toBe('a');
  });
});

describe('unsubscribing', () => {
  test('ends the frames of the session, and stops nothing', async () => {
    const run = await running('a');
    await untilText(author, 'a');
    const other = await target.open();
    await askOk(other, subscribe());
    await askOk(author, { type: 'unsubscribe', session: 's1' });
    const before = author.frames().length;
    await run.write('b');
    await run.end();
    await endOf(other);
    await settled(author);
    expect(
      author
        .frames()
        .slice(before)
        .map(({ type }) => type),
    ).toEqual(['ok']);
    expect(textOf(other, key.generation)).toBe('ab');
  });

  test('of what was never subscribed is ok', async () => {
    expect(await codeOf(author, { type: 'unsubscribe', session: 'never' })).toBe('ok');
  });

  test('lets the feed go once its linger is over', async () => {
    await askOk(author, subscribe());
    const sessions = async (): Promise<number | undefined> =>
      (await target.edge.metrics.sessions.get()).values[0]?.value;
    expect(await sessions()).toBe(1);
    await askOk(author, { type: 'unsubscribe', session: 's1' });
    clock.advance(29_999);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(await sessions()).toBe(1);
    clock.advance(1);
    await waitFor(async () => (await sessions()) === 0, { what: 'the feed to be closed' });
    expect([...world.hub.tails.keys()]).toEqual([]);
  });
});
