import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ORG_STATS, SYSTEM_STATS } from '@sluice/protocol';
import type { EdgeReport } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { askOk, codeOf, keyOf, newId } from '../support/asking.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

const ADMIN = { scope: 'read prompt cancel admin' };

let world: World;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge({ operatorOrg: 'operators', tokenPrice: 12 });
  await world.addWorker();
});
afterEach(() => world.close());

const observe = (client: RawClient, session: string): Promise<string> =>
  codeOf(client, { type: 'subscribe', session, observe: true });

const reports = (client: RawClient, session: string): EdgeReport[] =>
  client
    .frames('signal')
    .filter((frame) => frame.session === session)
    .map(({ data }) => data as EdgeReport);

/** Resolves with the first report that fits. */
const report = (
  client: RawClient,
  session: string,
  fits: (found: EdgeReport) => boolean = () => true,
): Promise<EdgeReport> =>
  waitFor(() => reports(client, session).find(fits), { what: `a report in ${session}`, timeoutMs: 10_000 });

describe('the stats of an org', () => {
  test('come at once to an admin who observes, and again every second', async () => {
    const admin = await target.open({ ...ADMIN });
    expect(await observe(admin, ORG_STATS)).toBe('ok');
    const first = await report(admin, ORG_STATS);
    expect(first).toMatchObject({ type: 'edge', name: 'edge-1', connections: 1, price: 12, delivered: 0 });
    await waitFor(() => reports(admin, ORG_STATS).length >= 3, { what: 'more reports', timeoutMs: 10_000 });
  });

  test('count what this org did and nothing of others', async () => {
    const worker = await world.addWorker('w2');
    const admin = await target.open({ ...ADMIN });
    await observe(admin, ORG_STATS);
    for (const [org, tokens] of [
      ['acme', 3],
      ['globex', 50],
    ] as const) {
      const client = await target.open({ org });
      await askOk(client, { type: 'prompt', session: 's', generation: 'g', input: 'x' });
      const run = await worker.claim(keyOf('s', 'g', org));
      for (let seq = 1; seq <= tokens; seq += 1) await run.write(`${org} `);
      await waitFor(() => client.frames('delta').at(-1)?.seq === tokens, { what: 'the tokens' });
      await codeOf(client, { type: 'cancel', session: '*', generation: 'g' });
    }
    const found = await report(admin, ORG_STATS, ({ delivered }) => delivered > 0);
    expect(found).toMatchObject({ delivered: 3, unacked: 3, connections: 2, viewers: 1, sessions: 1 });
    expect(found.errors).toEqual({ bad_frame: 1 });
    expect(found.delivery.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    const runs = reports(admin, ORG_STATS).flatMap((each) => each.runs);
    expect(runs).toMatchObject([{ org: 'acme', generation: 'g', attempt: 0, marks: [{ phase: 'queued' }] }]);
    expect(JSON.stringify(reports(admin, ORG_STATS))).not.toContain('globex');
  });

  test('are told whole to who comes late', async () => {
    const [early, late] = [await target.open(ADMIN), await target.open(ADMIN)];
    await observe(early, ORG_STATS);
    await askOk(early, { type: 'prompt', session: 's', generation: 'g', input: 'x' });
    await report(early, ORG_STATS, ({ runs }) => runs.length === 1);
    await observe(late, ORG_STATS);
    expect((await report(late, ORG_STATS)).runs).toMatchObject([{ generation: 'g' }]);
  });

  test('count a connection that begins with a position as one that came back', async () => {
    const admin = await target.open(ADMIN);
    await observe(admin, ORG_STATS);
    const [fresh, back] = [await target.open(), await target.open()];
    await askOk(fresh, { type: 'subscribe', session: 's' });
    await askOk(fresh, { type: 'subscribe', session: 's', rev: 1 });
    // Nothing of a generation is no position: it is to be made yet.
    await askOk(fresh, { type: 'subscribe', session: 'u', positions: { g: { epoch: 0, seq: 0 } } });
    for (const session of ['s', 't'])
      await askOk(back, { type: 'subscribe', session, positions: { g: { epoch: 0, seq: 7 } } });
    const later = await report(admin, ORG_STATS, ({ viewers }) => viewers === 4);
    expect(later.reconnects).toBe(1);
  });

  test('are published only while somebody observes', async () => {
    const admin = await target.open(ADMIN);
    const published = (): number =>
      target.recording.written.filter((text) => text.includes(ORG_STATS) && text.includes('"signal"')).length;
    await askOk(admin, { type: 'subscribe', session: 's' });
    expect(published()).toBe(0);
    await observe(admin, ORG_STATS);
    await report(admin, ORG_STATS);
    expect(published()).toBeGreaterThan(0);
  });
});

describe('the sessions of the system', () => {
  test('do not exist for who has no scope `admin`, nor outside `sessions`', async () => {
    for (const as of [{}, { scope: 'read prompt' }, { ...ADMIN, sessions: ['s*'] }]) {
      const client = await target.open(as);
      for (const session of [ORG_STATS, SYSTEM_STATS, '_sluice_other'])
        expect(await observe(client, session)).toBe('not_found');
    }
  });

  test('show the whole system to the admins of the operators only', async () => {
    const [acme, operator] = [await target.open(ADMIN), await target.open({ ...ADMIN, org: 'operators' })];
    expect(await observe(acme, SYSTEM_STATS)).toBe('not_found');
    expect(await observe(operator, SYSTEM_STATS)).toBe('ok');
    expect(await report(operator, SYSTEM_STATS)).toMatchObject({ connections: 2 });
    expect(
      await codeOf(await target.open({ org: 'operators' }), { type: 'subscribe', session: SYSTEM_STATS }),
    ).toBe('not_found');
  });

  test('need no scope but `admin`, and nobody prompts, writes or signals there', async () => {
    const admin = await target.open({ scope: 'admin prompt' });
    expect(await observe(admin, ORG_STATS)).toBe('ok');
    const session = ORG_STATS;
    for (const frame of [
      { type: 'prompt', session, generation: newId(), input: 'x' },
      { type: 'message', session, message: newId(), text: 'x' },
      { type: 'signal', session, data: 'x' },
    ])
      expect(await codeOf(admin, frame)).toBe('forbidden');
  });
});
