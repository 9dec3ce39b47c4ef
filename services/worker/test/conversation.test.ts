import { describe, expect, test } from '@jest/globals';
import type { History, ItemBody } from '@sluice/bus';
import { ChunkWriter } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { endGeneration } from '@sluice/lifecycle';
import { parseItemId } from '@sluice/protocol';
import type { ChatMessage, End } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { keyOf } from './support/world.ts';
import { freshScene } from './support/scene.ts';

const scene = freshScene();
const key = keyOf('any');

/** What a prompt that comes now counts, as an edge stores it. */
const now = async (): Promise<History> => {
  const { bus } = scene.world;
  return { rev: await bus.sessions.newestRev(key), log: await bus.tokens.newest(key) };
};

const submit = async (
  generation: string,
  input: string,
  { createdAt = 1, ...item }: Partial<StoredGeneration> = {},
): Promise<void> =>
  scene.world.submit(
    generation,
    { input },
    { input, createdAt, ...item },
    { createdAt, history: await now() },
  );

const line = async (id: string, text: string, createdAt = 1): Promise<void> => {
  const item: ItemBody = { id: parseItemId(id), kind: 'message', user: 'bob', createdAt, text };
  await scene.world.bus.sessions.createItem(key, item);
};

/** A turn that is over. */
const answered = async (generation: string, input: string, text: string, createdAt = 1): Promise<void> => {
  const { engine } = scene.world;
  await submit(generation, input, { createdAt });
  engine.say(generation, text);
  engine.end(generation);
  await scene.world.until(generation, 'done');
};

/** Ends a log as a worker does that has not told the item yet. */
const endLog = async (generation: string, text: string, end: End = { reason: 'stop' }): Promise<void> => {
  const { tokens } = scene.world.bus;
  const { draft } = new ChunkWriter(1, 0, await tokens.head(keyOf(generation))).draft([text], 1, end);
  await tokens.append(keyOf(generation), draft);
};

const askedOf = (generation: string): (readonly ChatMessage[])[] =>
  scene.world.engine.requests
    .filter((request) => request.generation === generation)
    .map(({ messages }) => messages);

/** Long texts by how they begin and how long they are. */
const shown = ({ content }: ChatMessage): string => {
  const text = typeof content === 'string' ? content : '';
  return text.length < 100 ? text : `${text.slice(0, 3)} × ${text.length}`;
};

const asked = (generation: string, attempt = 1): Promise<readonly string[]> =>
  waitFor(() => askedOf(generation)[attempt - 1]?.map(shown), {
    what: `attempt ${attempt} of ${generation}`,
  });

describe('the conversation of a prompt', () => {
  test('is the same in each attempt: a turn that ends meanwhile stays out', async () => {
    const { world } = scene;
    const first = await world.start();
    await answered('g0', 'who?', 'me');
    await submit('g1', 'one?');
    await asked('g1');
    await submit('g2', 'two?');
    expect(await asked('g2')).toEqual(['who?', 'me', 'two?']);
    world.engine.say('g2', 'a');
    await waitFor(async () => (await world.head('g2'))?.tokens.length === 1, { what: 'the first token' });
    world.engine.say('g1', '1');
    world.engine.end('g1');
    await world.until('g1', 'done');
    await line('late', 'too late');
    await Promise.all([first.close(), world.start('w2')]);
    expect(await asked('g2', 2)).toEqual(['who?', 'me', 'two?']);
  });

  test('has the turn before also where the clock of its edge is five minutes behind', async () => {
    await scene.world.start();
    await answered('g1', 'one?', '1', 1_790_000_300_000);
    await submit('g2', 'two?', { createdAt: 1_790_000_000_000 });
    expect(await asked('g2')).toEqual(['one?', '1', 'two?']);
  });

  test('goes by the order in which things became final, not by clocks', async () => {
    await scene.world.start();
    await line('m1', 'first', 9_000);
    await answered('g1', 'one?', '1');
    await line('m2', 'last', 10);
    await submit('g2', 'two?');
    expect(await asked('g2')).toEqual(['first', 'one?', '1', 'last', 'two?']);
  });

  test('has a turn whose end was seen before its item said so, in each attempt', async () => {
    const { world } = scene;
    await submit('g1', 'one?', { status: 'running', attempt: 1, worker: 'w9' });
    await submit('open', 'else?', { status: 'running', attempt: 1, worker: 'w9' });
    world.forgetJobs();
    await endLog('g1', '1');
    await submit('g2', 'two?');
    // The end of this one comes after the prompt.
    await endLog('open', 'not yet');
    const first = await world.start();
    const expected = ['one?', '1', 'two?'];
    expect(await asked('g2')).toEqual(expected);
    for (const id of ['open', 'g1'])
      await endGeneration({ bus: world.bus, clock: Date }, keyOf(id), { reason: 'stop' });
    await line('late', 'too late');
    await Promise.all([first.close(), world.start('w2')]);
    expect(await asked('g2', 2)).toEqual(expected);
  });

  test('of a prompt that an earlier version stored goes by its time', async () => {
    await scene.world.start();
    await line('m1', 'before', 10);
    await line('m2', 'after', 30);
    await scene.world.submit('g1', { input: 'one?' }, {}, { createdAt: 20 });
    expect(await asked('g1')).toEqual(['before', 'one?']);
  });

  test('with messages of its own is those', async () => {
    await scene.world.start();
    await line('m1', 'before');
    await scene.world.submit('g1', { messages: [{ role: 'user', content: 'only this' }] });
    expect(await asked('g1')).toEqual(['only this']);
  });

  describe('has of an earlier answer', () => {
    const CALL = { id: 'c1', name: 'weather', arguments: '{}' };
    const PARTS = [
      { type: 'reasoning_fields', data: { reasoning_details: [{ sealed: 'r' }] } },
      { type: 'call_fields', id: 'c1', data: { signature: 's' } },
    ];
    const called = {
      ...{ role: 'assistant', content: null },
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{}' } }],
    };
    const result = { role: 'tool', tool_call_id: 'c1', content: 'wet' };
    const messagesOf = (generation: string): Promise<readonly ChatMessage[]> =>
      waitFor(() => askedOf(generation)[0], { what: `the request of ${generation}` });
    const done = { status: 'done', attempt: 1, seq: 1, reason: 'stop' } as const;
    const goOn = async (model: string): Promise<readonly ChatMessage[]> => {
      const { world } = scene;
      await world.start('w1', { models: ['m', 'other'] });
      await submit('g1', 'how?', { ...done, toolCalls: [CALL], parts: PARTS });
      const body = { messages: [result], history: 'session', model } as const;
      await world.submit('g2', body, { model }, { history: await now() });
      return messagesOf('g2');
    };

    test('what its server wants back with its calls and thoughts', async () => {
      expect(await goOn('m')).toEqual([
        { role: 'user', content: 'how?' },
        {
          ...called,
          reasoning_details: [{ sealed: 'r' }],
          tool_calls: [{ ...called.tool_calls[0], signature: 's' }],
        },
        result,
      ]);
    });

    test('nothing of that for another model', async () => {
      expect(await goOn('other')).toEqual([{ role: 'user', content: 'how?' }, called, result]);
    });

    test('its refusal, also where its item does not say so yet', async () => {
      const { world } = scene;
      await submit('g1', 'one?', { ...done, refusal: 'No.' });
      await submit('g2', 'two?', { status: 'running', attempt: 1, worker: 'w9' });
      world.forgetJobs();
      const { draft } = new ChunkWriter(1).draft([{ kind: 'refusal', text: 'Never.' }], 1, {
        reason: 'stop',
      });
      await world.bus.tokens.append(keyOf('g2'), draft);
      await submit('g3', 'three?');
      await world.start();
      expect(await asked('g3')).toEqual(['one?', 'No.', 'two?', 'Never.', 'three?']);
    });
  });
});

describe('a conversation above its budget', () => {
  const large = (name: string): string => name.repeat(10_000);

  test('keeps its newest turns, in each attempt, and tells how much it left out', async () => {
    const { world } = scene;
    const first = await world.start('w1', { conversationBytes: 25_000 });
    for (const id of ['a', 'b', 'c', 'd']) await line(id, large(id));
    await submit('g1', 'one?');
    expect(await asked('g1')).toEqual(['ccc × 10000', 'ddd × 10000', 'one?']);
    expect(first.tally.cutConversations).toBe(1);
  });

  test('is that of its own prompt, also where a later one has been read before', async () => {
    const { world } = scene;
    const worker = await world.start('w1', { conversationBytes: 25_000 });
    for (const id of ['a', 'b', 'c']) await line(id, large(id));
    const history = await now();
    for (const id of ['d', 'e']) await line(id, large(id));
    await submit('g2', 'two?');
    expect(await asked('g2')).toEqual(['ddd × 10000', 'eee × 10000', 'two?']);
    await world.submit('g1', { input: 'one?' }, {}, { history });
    expect(await asked('g1')).toEqual(['bbb × 10000', 'ccc × 10000', 'one?']);
    await submit('g3', 'three?');
    expect(await asked('g3')).toEqual(['ddd × 10000', 'eee × 10000', 'three?']);
    expect(worker.tally.cutConversations).toBe(3);
  });

  test('passes over a turn that is larger than all of it', async () => {
    await scene.world.start('w1', { conversationBytes: 25_000 });
    await line('a', large('a'));
    await line('b', large('bbb'));
    await submit('g1', 'one?');
    expect(await asked('g1')).toEqual(['aaa × 10000', 'one?']);
  });

  test('counts bytes, not characters', async () => {
    await scene.world.start('w1', { conversationBytes: 25_000 });
    await line('a', large('é'));
    await line('b', large('b'));
    await submit('g1', 'one?');
    expect(await asked('g1')).toEqual(['bbb × 10000', 'one?']);
  });
});
