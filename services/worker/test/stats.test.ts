import { expect, test } from '@jest/globals';
import { ORG_STATS, parseOrg, parseSessionId, SYSTEM_STATS } from '@sluice/protocol';
import type { SessionKey, WorkerReport } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { AnswerLength } from '../src/tally/answer-length.ts';
import { ParkedRuns } from '../src/tally/parked-runs.ts';
import { freshScene } from './support/scene.ts';
import { keyOf, words } from './support/world.ts';

const scene = freshScene();

/** Observes a stats session as an edge does; the reports as they come. */
const observe = (session: string, org = 'acme'): WorkerReport[] => {
  const key: SessionKey = { org: parseOrg(org), session: parseSessionId(session) };
  const reports: WorkerReport[] = [];
  void scene.world.bus.tokens.tail(key, {
    record: () => undefined,
    item: () => undefined,
    presence: (message) => {
      if (message.type === 'signal') reports.push(message.data as WorkerReport);
    },
  });
  scene.world.bus.stats.ask({ key, isNew: true });
  return reports;
};

const until = (
  reports: readonly WorkerReport[],
  fits: (report: WorkerReport) => boolean,
  what: string,
): Promise<WorkerReport> => waitFor(() => reports.find(fits), { what, timeoutMs: 8_000 });

const phasesOf = (reports: readonly WorkerReport[], generation: string, attempt = 1): string[] => {
  const newest = reports
    .flatMap(({ runs }) => runs)
    .findLast((run) => run.generation === generation && run.attempt === attempt);
  return (newest?.marks ?? []).map(({ phase }) => phase);
};

test('a worker reports what it runs, how it ended, and what the phases were', async () => {
  await scene.world.start();
  const reports = observe(SYSTEM_STATS);
  expect(await until(reports, () => true, 'a first report')).toMatchObject({
    slots: 4,
    running: 0,
    tokens: 0,
  });
  await scene.world.submit('g');
  scene.world.engine.say('g', 'a', 'b');
  const during = await until(reports, ({ progress: [run] }) => run?.stored === 2, 'a run');
  expect(during.running).toBe(1);
  expect(during.progress).toMatchObject([{ generation: 'g', attempt: 1, made: 2, acked: 0, lead: 64 }]);
  scene.world.engine.end('g');
  const done = await until(reports, ({ ends }) => ends['stop'] === 1, 'its end');
  expect(done).toMatchObject({ tokens: 2, running: 0, saved: { stop: 0, park: 0 } });
  expect(phasesOf(reports, 'g')).toEqual(['claimed', 'first_token', 'ended']);
  expect(JSON.stringify(reports)).not.toContain('"hi"');
});

test('an org’s own report has its figures only, and no word on free slots', async () => {
  await scene.world.start();
  const [own, other] = [observe(ORG_STATS), observe(ORG_STATS, 'globex')];
  await scene.world.submit('g');
  scene.world.engine.say('g', 'a');
  scene.world.engine.end('g');
  const report = await until(own, ({ tokens }) => tokens === 1, 'its token');
  expect(report.slots).toBeUndefined();
  const later = other.length + 1;
  await waitFor(() => other.length > later, { what: 'a later report to the other org', timeoutMs: 8_000 });
  expect(other.at(-1)).toMatchObject({ tokens: 0, ends: {}, runs: [] });
});

test('a stopped run saves what it would still have made', async () => {
  const worker = await scene.world.start();
  const reports = observe(ORG_STATS);
  await scene.world.submit('g', { params: { max_tokens: 100 } });
  scene.world.engine.say('g', ...words(10));
  await waitFor(async () => (await scene.world.head('g'))?.tokens.length === 10, { what: 'ten tokens' });
  await scene.world.bus.control.cancel(keyOf('g'), 'ann');
  expect((await until(reports, ({ ends }) => ends['cancelled'] === 1, 'the stop')).saved).toEqual({
    stop: 90,
    park: 0,
  });
  expect(reports.flatMap(({ runs }) => runs).at(-1)).toMatchObject({ reason: 'cancelled', saved: 90 });
  const text = await worker.metrics.registry.metrics();
  expect(text).toContain('sluice_worker_saved_tokens_total 90\n');
  expect(text).toContain('sluice_worker_ends_total{reason="cancelled"} 1\n');
  expect(text).toContain('sluice_worker_tokens_total 10\n');
});

test('a parked run counts as parked, and as saved, until it runs again', async () => {
  const worker = await scene.world.start();
  const reports = observe(ORG_STATS);
  await scene.world.submit('g', { lead: 'strict', params: { max_tokens: 100 } });
  scene.world.engine.say('g', ...words(30));
  await scene.world.until('g', 'parked');
  const parked = await until(reports, (report) => report.parked === 1, 'the park');
  expect(parked).toMatchObject({ parks: 1, ends: {}, saved: { stop: 0, park: 84 } });
  expect(await worker.metrics.registry.metrics()).toContain('sluice_worker_ends_total{reason="parked"} 1\n');
  expect(phasesOf(reports, 'g')).toEqual(['claimed', 'first_token', 'paused', 'parked']);
  scene.world.bus.workers.beat({ worker: 'elsewhere', running: [{ ...keyOf('g'), attempt: 2 }] });
  const seen = reports.length;
  await waitFor(() => reports.slice(seen).some((report) => report.parked === 0), { what: 'nothing parked' });
  expect(reports.at(-1)).toMatchObject({ parks: 1, saved: { stop: 0, park: 0 } });
});

test('a parked run that nobody takes up is saved for good', () => {
  const saved: number[] = [];
  const parked = new ParkedRuns((_org, tokens) => saved.push(tokens));
  parked.add(keyOf('a'), 70, 0);
  parked.add(keyOf('b'), 5, 60_000);
  expect(parked.load()).toEqual({ parked: 2, saved: 75 });
  expect(parked.load(parseOrg('globex'))).toEqual({ parked: 0, saved: 0 });
  parked.tick(15 * 60_000);
  expect(saved).toEqual([70]);
  parked.running([keyOf('b')]);
  parked.tick(60 * 60_000);
  expect(saved).toEqual([70]);
});

test('how long an answer would be: the engine knows, else earlier answers do, within the limit', () => {
  const lengths = new AnswerLength();
  expect(lengths.expected('m', {})).toBeUndefined();
  expect(lengths.expected('m', { limit: 50 })).toBe(50);
  lengths.ended('m', 100);
  lengths.ended('m', 200);
  expect(lengths.expected('m', {})).toBe(120);
  expect(lengths.expected('m', { limit: 50 })).toBe(50);
  expect(lengths.expected('m', { engine: 400, limit: 300 })).toBe(300);
  expect(lengths.expected('other', {})).toBeUndefined();
});
