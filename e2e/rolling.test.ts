/**
 * A rolling restart of everything under load: edges, workers, proxies and NATS, one after the other, with 100 viewers.
 * FAULTS=long has 500.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { withTimeout } from '@sluice/testkit';
import { hasOpenssl } from './support/certificates.ts';
import { webProxyTest } from './support/web-proxies.ts';
import { answered, Audience } from './rolling/audience.ts';
import type { Refusal } from './rolling/audience.ts';
import { Site } from './rolling/site.ts';

const isLong = process.env['FAULTS'] === 'long';
// All clients are in this process: more of them get fewer tokens each.
const SIZE = { sessions: isLong ? 50 : 10, viewers: 10, tokens: isLong ? 60 : 150 };
/** The steps in which a proxy reloads, nginx first. */
const PROXIES: ReadonlySet<string> = new Set(['nginx', 'haproxy']);
const TOKENS_PER_SECOND = isLong ? 8 : 30;

/** Skipped, in so many words, where something is missing that CI has. */
const rollingTest = ((): typeof test => {
  const tests = [webProxyTest('nginx'), webProxyTest('haproxy'), hasOpenssl ? test : undefined];
  if (tests.every((each) => each === test)) return test;
  console.warn('SKIPPED: a rolling restart needs nginx, HAProxy and openssl.');
  return test.skip as typeof test;
})();

const site = new Site();
let audience: Audience | undefined;

beforeAll(async () => {
  if (rollingTest === test) await site.open(TOKENS_PER_SECOND);
}, 60_000);
afterAll(async () => {
  await audience?.close();
  await site.close();
}, 60_000);

rollingTest(
  'restarting every edge, worker, proxy and NATS server costs no token and no request',
  async () => {
    const urls = site.proxies.map(({ url }) => url);
    const crowd = (audience = new Audience({ ...SIZE, urls }));
    crowd.begin();
    await answered(crowd, 1);
    const took: Record<string, number> = {};
    for (const [name, step] of site.steps) {
      crowd.during = name;
      const from = performance.now();
      await step();
      took[name] = Math.round(performance.now() - from);
    }
    await answered(crowd, SIZE.sessions);
    const late: unknown = await withTimeout(crowd.finish(), 60_000, 'every end to be seen').catch(
      (error: unknown) => [String(error), ...crowd.waiting],
    );
    console.log({ took, answers: crowd.answers, requests: crowd.requests, refused: crowd.refusals.length });
    expect(crowd.failures).toEqual([]);
    expect(late).toBeUndefined();
    // While NATS elects, an edge says 503 and when to come back. nginx before 1.27.4 closes idle connections when it reloads,
    // also under a request that is on its way: HTTP clients send that again. Of all else a client sees nothing.
    const closesIdle = ({ during, what }: Refusal): boolean =>
      PROXIES.has(during) && what.includes(`${urls[0]}/`) && what.includes('no answer');
    const isTold = (refusal: Refusal): boolean => refusal.during.startsWith('nats') || closesIdle(refusal);
    expect(crowd.refusals.filter((refusal) => !isTold(refusal))).toEqual([]);
    expect(await crowd.differences(await site.bus())).toEqual([]);
    expect(crowd.shown.length).toBeGreaterThanOrEqual(SIZE.sessions * SIZE.viewers * 2);
  },
  isLong ? 300_000 : 150_000,
);
