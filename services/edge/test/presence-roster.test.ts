import { expect, test } from '@jest/globals';
import { parseOrg, parseSessionId } from '@sluice/protocol';
import type { PresenceMessage } from '@sluice/protocol';
import { PresenceRoster } from '../src/feeds/presence-roster.ts';

const KEY = { org: parseOrg('acme'), session: parseSessionId('s1') };

const openRoster = (edge = 'e1'): { readonly roster: PresenceRoster; readonly sent: PresenceMessage[] } => {
  const sent: PresenceMessage[] = [];
  const presence = { publish: (_key: unknown, message: PresenceMessage) => void sent.push(message) };
  const listener = { moved: () => undefined, signalled: () => undefined };
  return { roster: new PresenceRoster(KEY, { presence, edge, listener, now: 0 }), sent };
};
const ANN = { user: 'ann', connection: 'c1' };
/** Ticks twice a second, as an edge does. @returns how many messages that took */
const spentOn = (
  { roster, sent }: ReturnType<typeof openRoster>,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): number => {
  sent.length = 0;
  for (let now = fromMs; now < toMs; now += 500) roster.tick(now);
  return sent.length;
};

test('an announcement of any crowd fits a NATS message', () => {
  const { roster, sent } = openRoster();
  for (let i = 0; i < 10_000; i += 1) roster.join({ user: '😀"'.repeat(80), connection: `c${i}` });
  expect(roster.count).toBe(10_000);
  sent.length = 0;
  roster.tick(60_000);
  expect(sent).toMatchObject([{ type: 'viewers', edge: 'e1' }]);
  expect(Buffer.byteLength(JSON.stringify(sent[0]))).toBeLessThan(1024 * 1024);
});

test('an edge that is alone with a session says who it has once a minute, or somewhat more often', () => {
  const alone = openRoster();
  alone.roster.join(ANN);
  const announced = spentOn(alone, { fromMs: 0, toMs: 600_000 });
  expect(announced).toBeGreaterThanOrEqual(9);
  expect(announced).toBeLessThanOrEqual(20);
});

test('an edge that hears of another one says at once who it has, and every 5 s from then on', () => {
  const here = openRoster();
  here.roster.join(ANN);
  here.roster.tick(1_000);
  here.sent.length = 0;
  here.roster.onMessage({ type: 'join', edge: 'e2', user: 'bob', connection: 'c2' });
  expect(here.sent).toEqual([{ type: 'viewers', edge: 'e1', viewers: [ANN] }]);
  expect(spentOn(here, { fromMs: 1_500, toMs: 61_001 })).toBe(12);
});

test('an edge without viewers is heard by one that has some, which does not fall silent then', () => {
  const observer = openRoster('e2');
  observer.roster.onMessage({ type: 'sync', edge: 'e1' });
  expect(observer.sent.at(-1)).toEqual({ type: 'viewers', edge: 'e2', viewers: [] });
  expect(spentOn(observer, { fromMs: 500, toMs: 60_001 })).toBe(12);
});

test('an edge that has heard of no other for 5 min is alone again', () => {
  const here = openRoster();
  here.roster.join(ANN);
  here.roster.onMessage({ type: 'leave', edge: 'e2', user: 'bob', connection: 'c2' });
  spentOn(here, { fromMs: 0, toMs: 300_000 });
  expect(spentOn(here, { fromMs: 300_000, toMs: 900_000 })).toBeLessThanOrEqual(20);
});

test('two edges find each other again when one hears the other, whatever else was lost', () => {
  const [here, there] = [openRoster('e1'), openRoster('e2')];
  here.roster.join(ANN);
  there.roster.join({ user: 'bob', connection: 'c2' });
  const lost = [...here.sent, ...there.sent];
  expect(lost).toHaveLength(4);
  spentOn(here, { fromMs: 0, toMs: 60_500 });
  const [heard] = here.sent;
  there.sent.length = 0;
  if (heard !== undefined) there.roster.onMessage(heard);
  for (const message of there.sent) here.roster.onMessage(message);
  expect([here.roster.count, there.roster.count]).toEqual([2, 2]);
});
