import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createMemoryBus } from '@sluice/bus';
import type { WorkerBeat } from '@sluice/bus';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import { BeatRecord } from '../src/worker-check/beat-record.ts';
import { CameTooLate } from '../src/worker-check/clause-failure.ts';
import { demand } from '../src/worker-check/clause-failure.ts';
import type { Clause } from '../src/worker-check/clause.ts';
import type { Target } from '../src/worker-check/stage.ts';
import { judgeAll } from '../src/worker-check/verdict.ts';
import type { Verdict } from '../src/worker-check/verdict.ts';
import { Watch } from '../src/worker-check/watch.ts';

/** Holds the thread as a busy machine would. */
const stall = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
};

const key = {
  org: parseOrg('acme'),
  session: parseSessionId('trip'),
  generation: parseGenerationId('run'),
};

test('a wait looks at what arrived while the check itself stood still', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [peer] = (await once(server, 'connection')) as [Socket];
  const watch = new Watch();
  let hasCome = false;
  socket.once('data', () => {
    hasCome = true;
    watch.changed();
  });
  const waiting = watch.until(() => hasCome, 20);
  peer.write('written in time');
  stall(60);
  const found = await waiting;
  socket.destroy();
  server.close();
  expect(found).toBe(true);
});

describe('the record of beats', () => {
  const ran = { ...key, attempt: 3 };
  const heard = async (...beats: readonly WorkerBeat[]): Promise<BeatRecord> => {
    const bus = createMemoryBus();
    const record = new BeatRecord();
    await record.open(bus);
    for (const beat of beats) bus.workers.beat(beat);
    await record.until(() => record.of('w', 0).length === beats.length, 5_000);
    record.close();
    return record;
  };

  test('takes an extra beat for an addition to the regular one before it', async () => {
    const other = { ...key, generation: parseGenerationId('other'), attempt: 1 };
    const record = await heard(
      { worker: 'w', running: [ran] },
      { worker: 'w', running: [other], isExtra: true },
    );
    expect([record.attemptIn('w', ran, 0), record.attemptIn('w', other, 0)]).toEqual([3, 1]);
    expect(record.countOf('w', 0)).toBe(1);
  });

  test('takes a regular beat for the whole list', async () => {
    const record = await heard({ worker: 'w', running: [ran], isExtra: true }, { worker: 'w', running: [] });
    expect(record.attemptIn('w', ran, 0)).toBeUndefined();
  });
});

describe('a check that comes too late for its own situation', () => {
  const judge = async (check: () => Promise<string>): Promise<Verdict | undefined> => {
    const bus = createMemoryBus();
    const target: Target = {
      ...{ bus, beats: new BeatRecord(), org: 'acme', model: 'm', prompt: 'count', params: {} },
      ...{ timeoutMs: 1_000, kill: undefined, stop: undefined, unreadable: new Set() },
    };
    const clause: Clause = { id: 'W0', title: 'Played', advice: 'none', check };
    const [verdict] = await judgeAll([clause], target, { width: 1, onVerdict: () => undefined });
    return verdict;
  };

  test('is played again', async () => {
    let plays = 0;
    const verdict = await judge(() => {
      plays += 1;
      return plays < 3 ? Promise.reject(new CameTooLate('parked')) : Promise.resolve('in time');
    });
    expect(verdict).toMatchObject({ result: 'pass', found: 'in time' });
  });

  test('accuses nobody when it never comes in time', async () => {
    const verdict = await judge(() => Promise.reject(new CameTooLate('parked')));
    expect(verdict).toMatchObject({ result: 'not checked', reason: 'parked' });
  });

  test('gives a worker that is wrong no second chance', async () => {
    let plays = 0;
    const verdict = await judge(() => {
      plays += 1;
      demand(plays > 1, 'a claim', 'none');
      return Promise.resolve('claimed');
    });
    expect(verdict).toMatchObject({ result: 'fail', came: 'none' });
  });
});
