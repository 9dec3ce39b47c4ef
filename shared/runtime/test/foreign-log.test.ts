import { expect, test } from '@jest/globals';
import { ManualClock } from '@sluice/testkit';
import { createLogger, foreignLog } from '../src/index.ts';

test('every foreign message counts, and each kind is logged once a minute with how many there were', () => {
  const clock = new ManualClock();
  const counted: string[] = [];
  const counts = { add: (kind: string) => void counted.push(kind) };
  const raw: string[] = [];
  const logger = createLogger({ service: 'demo', destination: { write: (text) => void raw.push(text) } });
  const onForeign = foreignLog({ counts, logger, clock });
  for (let n = 0; n < 1_000; n += 1) onForeign({ kind: 'state', reason: '`state`: expected a state' });
  onForeign({ kind: 'beat', reason: 'expected JSON' });
  clock.advance(60_000);
  for (let n = 0; n < 10; n += 1) onForeign({ kind: 'state', reason: 'expected JSON' });

  const lines = raw.map((text): unknown => JSON.parse(text));
  expect(lines).toMatchObject([
    { level: 'warn', event: 'foreign_message', kind: 'state', reason: '`state`: expected a state', count: 1 },
    { event: 'foreign_message', kind: 'beat', reason: 'expected JSON', count: 1 },
    { event: 'foreign_message', kind: 'state', count: 1_000 },
  ]);
  expect(counted.filter((kind) => kind === 'state')).toHaveLength(1_010);
});
