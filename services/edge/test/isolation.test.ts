import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ErrorFrame, OkFrame } from '@sluice/protocol';
import type { RawClient } from '@sluice/testkit';
import { waitFor } from '@sluice/testkit';
import { ask, askOk, keyOf, settled, textOf } from './support/asking.ts';
import { createWorld } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

const ORGS = ['acme', 'globex', 'initech'] as const;

let world: World;
let target: TestEdge;
const clients = new Map<string, RawClient>();
const of = (org: string): RawClient => clients.get(org) as RawClient;

beforeAll(async () => {
  world = createWorld();
  target = await world.addEdge();
  await world.addWorker();
  for (const org of ORGS) clients.set(org, await target.open({ org }));
});
afterAll(() => world.close());

/** What an answer tells, without the id it answers to. */
const told = ({ re: _re, ...rest }: OkFrame | ErrorFrame): unknown => rest;

describe('orgs that use the same ids', () => {
  test('each get their own generation and their own text', async () => {
    const worker = await world.addWorker();
    for (const org of ORGS) {
      const prompt = { type: 'prompt', session: 'shared', generation: 'g1', input: `of ${org}` };
      expect(await ask(of(org), prompt)).toMatchObject({ created: true });
    }
    const runs = await Promise.all(ORGS.map((org) => worker.claim(keyOf('shared', 'g1', org))));
    for (let i = 0; i < 50; i += 1)
      for (const [index, run] of runs.entries()) await run.write(`⟦${ORGS[index]}.${i}⟧`);
    for (const run of runs) await run.end();
    for (const org of ORGS) {
      const client = of(org);
      await waitFor(() => client.frames('end').length === 1, { what: 'the end' });
      expect(textOf(client, 'g1')).toBe(Array.from({ length: 50 }, (_, i) => `⟦${org}.${i}⟧`).join(''));
      for (const other of ORGS)
        if (other !== org) expect(client.transcript.filter(({ raw }) => raw.includes(other))).toEqual([]);
    }
  });

  test('never see, hear, count or signal each other', async () => {
    for (const org of ORGS) await askOk(of(org), { type: 'subscribe', session: 'room' });
    const before = new Map(ORGS.map((org) => [org, of(org).frames().length]));
    const acme = of('acme');
    await askOk(acme, { type: 'message', session: 'room', message: 'm1', text: 'secret' });
    await askOk(acme, { type: 'signal', session: 'room', data: 'secret' });
    await askOk(await target.open({ user: 'bob' }), { type: 'subscribe', session: 'room' });
    for (const org of ['globex', 'initech'] as const) {
      await settled(of(org));
      const news = of(org).frames().slice(before.get(org));
      expect(news.map(({ type }) => type)).toEqual(['ok']);
      expect(of(org).frames('subscribed').at(-1)).toMatchObject({ viewers: 1, items: [] });
    }
  });
});

describe('what is another org’s', () => {
  const verbs = (session: string, id: string) => [
    { type: 'subscribe', session, positions: { [id]: { epoch: 0, seq: 1 } } },
    { type: 'cancel', session, generation: id },
    { type: 'ack', session, generation: id, epoch: 0, seq: 1 },
    { type: 'signal', session, data: 1 },
    { type: 'unsubscribe', session },
    { type: 'message', session, message: `${id}-m`, text: 'x' },
  ];

  test('is answered as what is absent, verb by verb', async () => {
    for (const org of ORGS) {
      const session = `private-${org}`;
      await askOk(of(org), { type: 'prompt', session, generation: 'own', input: 'x' });
      for (const other of ORGS) {
        if (other === org) continue;
        const foreign = verbs(session, 'own');
        const absent = verbs(`private-nobody-${org}`, 'own');
        const stranger = await target.open({ org: other });
        for (const [index, frame] of foreign.entries()) {
          const first = told(await ask(stranger, frame));
          const second = told(await ask(stranger, absent[index] ?? {}));
          const text = (value: unknown): string => JSON.stringify(value).replaceAll(/private-[\w-]+/g, 'S');
          expect([frame.type, text(first)]).toEqual([frame.type, text(second)]);
        }
        const subscribed = stranger
          .frames('subscribed')
          .map(({ items, viewers, rev }) => [items, viewers, rev]);
        expect(new Set(subscribed.map((seen) => JSON.stringify(seen))).size).toBe(1);
        expect(stranger.frames('delta')).toEqual([]);
        stranger.terminate();
      }
      const stored = await world.bus.sessions.item(
        keyOf(session, 'own', org),
        keyOf(session, 'own').generation,
      );
      expect(stored?.item).toMatchObject({ status: 'queued' });
    }
  });

  test('cannot be named in a frame', async () => {
    const frame = { type: 'subscribe', session: 'private-acme', org: 'acme', user: 'ann' };
    await askOk(of('globex'), frame);
    expect(of('globex').frames('subscribed').at(-1)).toMatchObject({ viewers: 1 });
  });

  test('is not reached by any key the edge asks the bus for', () => {
    const keys = target.recording.written.flatMap((json) => json.match(/"org":"[^"]*"/g) ?? []);
    expect(new Set(keys)).toEqual(new Set(ORGS.map((org) => `"org":"${org}"`)));
  });
});

test('outside the sessions of a token the answer is the same for what is there and what is not', async () => {
  target.recording.operations.length = 0;
  await askOk(of('acme'), { type: 'prompt', session: 'hidden', generation: 'h1', input: 'x' });
  const narrow = await target.open({ sessions: ['visible'] });
  // The author's own ack follows within a tick; it is not what is looked for below.
  await waitFor(() => target.recording.operations.includes('control.ack'), { what: 'the author’s ack' });
  target.recording.operations.length = 0;
  const verbs = (session: string) => [
    { type: 'subscribe', session },
    { type: 'prompt', session, generation: 'h1', input: 'x' },
    { type: 'cancel', session, generation: 'h1' },
    { type: 'ack', session, generation: 'h1', epoch: 0, seq: 1 },
    { type: 'signal', session, data: 1 },
    { type: 'message', session, message: 'm1', text: 'x' },
  ];
  for (const [index, frame] of verbs('hidden').entries()) {
    const there = told(await ask(narrow, frame)) as ErrorFrame;
    const absent = told(await ask(narrow, verbs('nobody')[index] ?? {})) as ErrorFrame;
    expect(there.code).toBe('not_found');
    expect({ ...there, session: 'S' }).toEqual({ ...absent, session: 'S' });
  }
  // Told apart by nothing, not even by time: NATS was not asked.
  expect(target.recording.operations).toEqual([]);
});
