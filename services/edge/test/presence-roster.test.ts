import { expect, test } from '@jest/globals';
import { parseOrg, parseSessionId } from '@sluice/protocol';
import type { PresenceMessage } from '@sluice/protocol';
import { PresenceRoster } from '../src/feeds/presence-roster.ts';

const KEY = { org: parseOrg('acme'), session: parseSessionId('s1') };

test('an announcement of any crowd fits a NATS message', () => {
  const sent: PresenceMessage[] = [];
  const roster = new PresenceRoster(KEY, {
    presence: { publish: (_key, message) => void sent.push(message) },
    edge: 'e1',
    listener: { moved: () => undefined, signalled: () => undefined },
    now: 0,
  });
  for (let i = 0; i < 10_000; i += 1) roster.join({ user: '😀"'.repeat(80), connection: `c${i}` });
  expect(roster.count).toBe(10_000);
  sent.length = 0;
  roster.tick(5_000);
  expect(sent).toMatchObject([{ type: 'viewers', edge: 'e1' }]);
  expect(Buffer.byteLength(JSON.stringify(sent[0]))).toBeLessThan(1024 * 1024);
});
