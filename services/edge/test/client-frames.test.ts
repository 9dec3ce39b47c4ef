import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ServerFrame } from '@sluice/protocol';
import type { RawClient } from '@sluice/testkit';
import { answersTo, ask, codeOf, newId, settled } from './support/asking.ts';
import { badFields, goodFrames, hostileIds, requiredFields } from './support/hostile-values.ts';
import { createWorld } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

let world: World;
/** no frame that is good reaches this one, so it has no reason to ask the bus for anything */
let target: TestEdge;
/** Limits that a test reaches easily, bytes. */
const SMALL = 256 * 1024;
/** for frames that are good */
let busy: TestEdge;
let client: RawClient;
let bystander: RawClient;
beforeAll(async () => {
  world = createWorld();
  target = await world.addEdge();
  busy = await world.addEdge({ maxPromptBytes: SMALL, maxFrameBytes: SMALL });
  await world.addWorker();
  bystander = await target.open({ user: 'bob' });
});
beforeEach(async () => {
  client = await target.open();
  target.recording.operations.length = 0;
});
afterEach(() => client.terminate());
afterAll(() => world.close());

const isAnswer = ({ type }: ServerFrame): boolean => type === 'ok' || type === 'error';

/** Sends each frame under an id of its own; every one must be refused, once, and nothing reach the bus. */
const expectAllBad = async (frames: readonly Readonly<Record<string, unknown>>[]): Promise<void> => {
  const before = bystander.transcript.length;
  const asked = frames.map((frame) => ({ id: newId(), ...frame }));
  for (const frame of asked) client.send(frame);
  await settled(client);
  for (const frame of asked) {
    const answers = answersTo(client, frame.id).map((answer) => (answer.type === 'ok' ? 'ok' : answer.code));
    expect([frame, answers]).toEqual([frame, ['bad_frame']]);
  }
  expect(target.recording.operations).toEqual([]);
  expect(bystander.transcript).toHaveLength(before);
};

describe.each(Object.keys(badFields))('a `%s` frame', (type) => {
  const good = goodFrames[type] ?? {};

  test.each(Object.keys(badFields[type] ?? {}))(
    'with a bad `%s` is refused and reaches nothing',
    async (field) => {
      // A prompt has `input` or `messages`, not both: a good one must not be bad for that.
      const { input: _input, ...rest } = good;
      const base = field === 'messages' ? rest : good;
      await expectAllBad((badFields[type]?.[field] ?? []).map((value) => ({ ...base, [field]: value })));
    },
  );

  test('without a field it needs is refused and reaches nothing', async () => {
    await expectAllBad((requiredFields[type] ?? []).map((field) => ({ ...good, [field]: undefined })));
  });

  test('with an `id` that is none gets an error without `re`', async () => {
    for (const id of ['x'.repeat(65), 1, null, {}, ['x']]) {
      client.send({ ...good, id });
      expect(await client.nextFrame('error')).toMatchObject({ code: 'bad_frame' });
    }
    expect(client.frames('error').every(({ re }) => re === undefined)).toBe(true);
    expect(target.recording.operations).toEqual([]);
  });

  test('without an `id` is not answered when all is well', async () => {
    const client = await busy.open();
    const { data: _data, ...session } = goodFrames.subscribe ?? {};
    await ask(client, session);
    const before = client.frames('ok').length;
    client.send({ ...good, message: newId(), generation: newId() });
    if (type === 'cancel') await client.nextFrame('error');
    await settled(client, 's');
    expect(client.frames('ok')).toHaveLength(before + 1);
  });

  test('with fields nobody knows is taken as if they were not there', async () => {
    const client = await busy.open();
    await ask(client, goodFrames.subscribe ?? {});
    const extra = { '*': 1, $JS: {}, org: 'globex', user: 'eve', constructor: 1 };
    const answer = await ask(client, { ...good, ...extra, message: newId(), generation: newId() });
    expect(answer.type === 'ok' ? 'ok' : answer.code).toBe(type === 'cancel' ? 'not_found' : 'ok');
  });
});

describe('a prompt', () => {
  test('has exactly one of `input` and `messages`', async () => {
    const { input: _input, ...neither } = goodFrames.prompt ?? {};
    const both = { ...goodFrames.prompt, messages: [{ role: 'user', content: 'x' }] };
    await expectAllBad([neither, both]);
  });

  test('larger than 256 KiB once it is encoded is too large, and is not stored', async () => {
    const client = await busy.open();
    const params = { response_format: Array.from({ length: 30_000 }, () => 1e20) };
    const json = JSON.stringify({ ...goodFrames.prompt, generation: 'too-big', id: 'big', params });
    client.send(json.replaceAll('100000000000000000000', '1e20'));
    expect(await client.nextFrame('error')).toMatchObject({ re: 'big', code: 'too_large', retryable: false });
    expect(world.hub.prompts.has('acme.s.too-big')).toBe(false);
  });
});

describe('a message', () => {
  test('larger than 256 KiB once it is encoded is too large, and is not stored', async () => {
    const client = await busy.open();
    const data = Array.from({ length: 30_000 }, () => 1e20);
    const json = JSON.stringify({ ...goodFrames.message, message: 'too-big', id: 'big', data });
    client.send(json.replaceAll('100000000000000000000', '1e20'));
    expect(await client.nextFrame('error')).toMatchObject({ re: 'big', code: 'too_large' });
    expect(world.hub.items.has('acme.s.too-big')).toBe(false);
  });
});

describe('a subscription', () => {
  test('that names more positions than a session can have items is too large', async () => {
    const names = Array.from({ length: 1_001 }, (_, index) => [`g${index}`, { epoch: 0, seq: 0 }]);
    const positions = Object.fromEntries(names) as Record<string, unknown>;
    expect(await codeOf(client, { type: 'subscribe', session: 's', positions })).toBe('too_large');
    expect(target.recording.operations).toEqual([]);
  });
});

describe('names that mean something to JavaScript', () => {
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'like %s are ids as any',
    async (id) => {
      const client = await busy.open();
      const frames = [
        `{"type":"subscribe","session":"${id}","positions":{"${id}":{"epoch":0,"seq":0}},"id":"1"}`,
        `{"type":"prompt","session":"${id}","generation":"${id}","input":"x","params":{"response_format":{"${id}":{"a":1}}},"id":"2"}`,
        `{"type":"ack","session":"${id}","generation":"${id}","epoch":0,"seq":0,"id":"3"}`,
        `{"type":"message","session":"${id}","message":"${id}-m","text":"x","data":{"${id}":1},"id":"4"}`,
        `{"type":"signal","session":"${id}","data":{"${id}":1},"id":"5"}`,
        `{"type":"cancel","session":"${id}","generation":"${id}","id":"6"}`,
      ];
      for (const [index, frame] of frames.entries()) {
        client.send(frame);
        expect(await client.nextFrame(isAnswer)).toMatchObject({ type: 'ok', re: String(index + 1) });
      }
      expect(({} as Record<string, unknown>).a).toBeUndefined();
    },
  );

  test('a prototype in a frame is not taken for fields', async () => {
    client.send('{"__proto__":{"session":"s"},"type":"subscribe","id":"p"}');
    expect(await client.nextFrame('error')).toMatchObject({ re: 'p', code: 'bad_frame' });
  });
});

describe('JSON that is odd', () => {
  test('of duplicate keys the last counts', async () => {
    client.send('{"type":"nonsense","type":"ping","id":"a","id":"b"}');
    expect(await client.nextFrame('ok')).toEqual({ type: 'ok', re: 'b' });
    expect(answersTo(client, 'a')).toEqual([]);
  });

  test('nested 100,000 levels deep is refused, wherever it is', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const frames = [
      `{"type":"signal","session":"s","id":"1","data":${deep}}`,
      `{"type":"message","session":"s","message":"m","text":"x","id":"2","data":${deep}}`,
      `{"type":"prompt","session":"s","generation":"g","input":"x","id":"3","params":{"x":${deep}}}`,
      `{"type":"prompt","session":"s","generation":"g","id":"4","messages":[{"role":"user","content":${deep}}]}`,
    ];
    for (const frame of frames) client.send(frame);
    await settled(client);
    for (const re of ['1', '2', '3', '4'])
      expect(answersTo(client, re)).toMatchObject([{ code: 'bad_frame' }]);
    expect(target.recording.operations).toEqual([]);
  });

  test('nested deep in a field nobody knows does no harm', async () => {
    client.send(`{"type":"ping","id":"1","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
    expect(await client.nextFrame('ok')).toEqual({ type: 'ok', re: '1' });
  });
});

describe('a frame of no type of ours', () => {
  const strange: readonly string[] = [
    '',
    ' ',
    'x',
    '{',
    '[]',
    'null',
    '1',
    '"ping"',
    '{}',
    '{"type":null}',
    '{"type":["ping"]}',
    '{"type":"PING"}',
    '{"type":"ready"}',
    '{"type":"__proto__"}',
    '{"type":"toString"}',
    '{"type":"subscribe "}',
    '\ufeff{"type":"ping"}',
    '{"type":"ping"}{"type":"ping"}',
    '{"type":"ping",}',
    "{'type':'ping'}",
  ];

  test.each(strange)('such as %j is a bad frame', async (text) => {
    client.send(text);
    expect(await client.nextFrame('error')).toMatchObject({ code: 'bad_frame', retryable: false });
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
    expect(target.recording.operations).toEqual([]);
  });

  test('is answered under its id', async () => {
    client.send('{"type":"nonsense","id":"n"}');
    expect(await client.nextFrame('error')).toMatchObject({ re: 'n', code: 'bad_frame' });
  });

  test('closes with 4400 the third time in a minute', async () => {
    for (const frame of ['{}', 'x', '{"type":"y"}']) client.send(frame);
    expect((await client.closed).code).toBe(4400);
    expect(client.frames('error')).toHaveLength(3);
  });

  test('of known type but bad fields does not count for that', async () => {
    for (let i = 0; i < 10; i += 1) client.send({ type: 'subscribe', session: '*' });
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
  });

  test('sent as binary is refused, and closes with 4400 the third time', async () => {
    const binary = await target.open({}, { binary: true });
    for (let i = 0; i < 3; i += 1) binary.send({ type: 'ping' });
    expect((await binary.closed).code).toBe(4400);
    expect(binary.frames('error').map(({ code }) => code)).toEqual(['bad_frame', 'bad_frame', 'bad_frame']);
  });
});

test('the corpus of hostile ids is as large as it should be', () => {
  expect(hostileIds.length).toBeGreaterThan(35);
});
