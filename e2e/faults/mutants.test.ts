import { afterEach, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { createMemoryBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { ClientFrame } from '@sluice/protocol';
import { openRawClient, startFaultProxy, waitFor } from '@sluice/testkit';
import { tokenFor } from '../support/clients.ts';
import { recordSockets } from '../support/recording.ts';
import type { History } from './history.ts';
import {
  cutReplay,
  earlyAck,
  failingFrom,
  forgetful,
  IngestTap,
  losingLastLive,
  rawClientKey,
  refusalIsOutage,
  refusalIsSuccess,
  renewedCredit,
  staleReads,
  unfenced,
  withoutTailCheck,
} from './mutants.ts';
import { judge } from './oracle.ts';
import type { FindingKind } from './finding.ts';
import { Scene, socketUrl } from './scene.ts';
import type { Wrap } from './scene.ts';

/** How long a scene may take: all of them end within two seconds when nothing is wrong, zombies in seven. */
const DEADLINE_MS = 4_000;
const ZOMBIE_MS = 12_000;
const same: Wrap = (bus) => bus;

let scene: Scene | undefined;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  await scene?.close();
  for (const close of closers.splice(0)) await close();
});

const kindsOf = (histories: readonly History[]): FindingKind[] => [
  ...new Set(histories.flatMap((history) => judge(history).findings.map(({ kind }) => kind))),
];

type Play = (isMutant: boolean) => Promise<readonly History[]>;
const open = (): Scene => (scene = new Scene());

/** One viewer from the start, and one on another edge that comes when `from` tokens are there. */
const withLateViewer = async (late: Wrap, from: number): Promise<readonly History[]> => {
  const stage = open();
  const [first, second] = [await stage.addEdge(), await stage.addEdge(late)];
  await stage.addWorker(200);
  const author = stage.author(socketUrl(first), 300);
  await waitFor(() => author.position.seq >= from, { what: `${from} tokens` });
  stage.watcher(socketUrl(second));
  await stage.settle(DEADLINE_MS);
  return stage.histories();
};

const withOneViewer = async (worker: Wrap, edge: Wrap = same): Promise<readonly History[]> => {
  const stage = open();
  const front = await stage.addEdge(edge);
  await stage.addWorker(200, worker);
  stage.author(socketUrl(front), 120);
  await stage.settle(DEADLINE_MS);
  return stage.histories();
};

/** A worker goes silent and works on; another one takes over. */
const withZombie = async (zombie: Wrap): Promise<readonly History[]> => {
  const stage = open();
  const front = await stage.addEdge();
  let isSilent = false;
  const silenced = (bus: Bus): Bus => ({
    ...bus,
    workers: {
      ...bus.workers,
      beat: (beat) => {
        if (!isSilent) bus.workers.beat(beat);
      },
    },
  });
  await stage.addWorker(100, (bus) => zombie(silenced(bus)));
  const author = stage.author(socketUrl(front), 700);
  await waitFor(() => author.position.seq >= 10, { what: 'the run to start' });
  await stage.addWorker(100);
  let beats = 0;
  await createMemoryBus(stage.hub).workers.onBeat(({ running }) => (beats += running.length));
  await waitFor(() => beats >= 2, { what: 'the second worker to know of the run' });
  isSilent = true;
  await stage.settle(ZOMBIE_MS);
  return stage.histories();
};

/** A worker hands a run over to nobody, and its log is gone before another one comes. */
const withExpiredLog = async (second: Wrap): Promise<readonly History[]> => {
  const stage = open();
  const front = await stage.addEdge();
  const first = await stage.addWorker(100);
  const author = stage.author(socketUrl(front), 200);
  await waitFor(() => author.position.seq >= 50, { what: 'fifty tokens' });
  await first.close();
  stage.hub.chunks.clear();
  await stage.addWorker(200, second);
  await stage.settle(DEADLINE_MS);
  return stage.histories();
};

const LIMIT = { type: 'limit', detail: 'full' } as const;
const UNKNOWN = { type: 'unknown', detail: 'no answer' } as const;
/** From the 40th publish on storage refuses, after as long as a server may take to say so. */
const full: Wrap = (bus) => failingFrom(bus, 40, () => pause(50).then(() => LIMIT));
/** The 20th publish is never stored, and its answer does not come. */
const dropping: Wrap = (bus) =>
  failingFrom(bus, 20, (_key, _draft, count) => (count === 20 ? Promise.resolve(UNKNOWN) : undefined));
/** The 20th publish is stored, and its answer does not come. */
const ghost: Wrap = (bus) =>
  failingFrom(bus, 20, (key, draft, count) =>
    count === 20 ? bus.tokens.append(key, draft).then(() => UNKNOWN) : undefined,
  );

const resumeOnce = async (isMutant: boolean): Promise<readonly History[]> => {
  const stage = open();
  const front = await stage.addEdge();
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: front.port } });
  closers.push(() => proxy.close());
  await stage.addWorker(200);
  const { WebSocket: Recording, sockets } = recordSockets();
  class OffByOne extends Recording {
    override send(text: unknown): void {
      super.send(isMutant ? offByOne(String(text)) : String(text));
    }
  }
  const author = stage.author(proxy.url('ws'), 200, { WebSocket: OffByOne as never, sockets });
  await waitFor(() => author.position.seq >= 50, { what: 'fifty tokens' });
  proxy.cutAll();
  await stage.settle(DEADLINE_MS);
  return stage.histories();
};

/** What an edge that resumes one token early has understood. */
const offByOne = (text: string): string => {
  const frame = JSON.parse(text) as ClientFrame;
  if (frame.type !== 'subscribe' || frame.positions === undefined) return text;
  const positions = Object.entries(frame.positions).map(([id, { epoch, seq }]) => [
    id,
    { epoch, seq: Math.max(0, seq - 1) },
  ]);
  return JSON.stringify({ ...frame, positions: Object.fromEntries(positions) });
};

const twoOrgs = async (edge: Wrap): Promise<readonly History[]> => {
  const stage = open();
  const front = await stage.addEdge(edge);
  await stage.addWorker(200);
  stage.author(socketUrl(front), 50);
  stage.author(socketUrl(front), 50, { org: 'rival' });
  await stage.settle(DEADLINE_MS);
  return stage.histories(['acme', 'rival']);
};

/** A viewer that reconnects again and again and never acks. */
const neverAcking = async (edge: Wrap): Promise<readonly History[]> => {
  const stage = open();
  const front = await stage.addEdge(edge);
  const worker = await stage.addWorker(200);
  const connect = async () => {
    const client = await openRawClient(socketUrl(front), { token: tokenFor('ann') });
    closers.push(() => client.close());
    return client;
  };
  const params = { simulated: { tokens: 600 } };
  const first = await connect();
  first.send({ type: 'prompt', session: 's', generation: 'g', input: 'go', lead: 'strict', params });
  await first.nextFrame('delta');
  first.terminate();
  const again = async () => {
    const client = await connect();
    client.send({ type: 'subscribe', session: 's', window: 256 });
    await client.nextFrame((frame) => frame.type === 'delta' && frame.seq >= 10);
    return client;
  };
  for (let i = 0; i < 3; i += 1) (await again()).terminate();
  const last = await again();
  const isParked = (): boolean =>
    last.frames('state').some((frame) => frame.type === 'state' && frame.state === 'parked');
  const what = 'the worker to park, or to run away';
  await waitFor(() => isParked() || worker.tally.orgs.total.tokens > 40, { what, timeoutMs: 15_000 });
  const [history] = stage.histories();
  if (history === undefined) throw new Error('expected a history');
  const made = worker.tally.orgs.total.tokens;
  // Nothing is promised to somebody who left: the credit is all that is judged.
  return [{ ...history, accepted: false, log: [], acked: [], credit: { made, acked: 0, lead: 17 } }];
};

/** Each is played twice: as the system is, and with one rule broken. */
const MUTANTS: readonly [string, Play][] = [
  [
    'M1: an edge shows tokens before they are stored',
    (isMutant) => {
      const tap = new IngestTap();
      return isMutant
        ? withOneViewer(
            (bus) => tap.worker(full(bus)),
            (bus) => tap.edge(bus),
          )
        : withOneViewer(full);
    },
  ],
  [
    'M2: an edge believes a replica that lags',
    (isMutant) => withLateViewer(isMutant ? (bus) => staleReads(bus, 60) : same, 150),
  ],
  [
    'M3: nobody looks again at a silent log',
    (isMutant) =>
      withOneViewer(same, (bus) => (isMutant ? withoutTailCheck(losingLastLive(bus)) : losingLastLive(bus))),
  ],
  ['M4: publishes expect nothing', (isMutant) => withZombie(isMutant ? unfenced : same)],
  ['M5: a resume begins one token early', resumeOnce],
  [
    'M6: a refused record counts as stored',
    (isMutant) => withOneViewer((bus) => (isMutant ? refusalIsSuccess(ghost(bus)) : ghost(bus))),
  ],
  [
    'M7: the answer comes before the write',
    (isMutant) => withOneViewer((bus) => (isMutant ? earlyAck(dropping(bus)) : dropping(bus))),
  ],
  [
    "M8: jobs are deduplicated by the client's id alone",
    (isMutant) => twoOrgs(isMutant ? rawClientKey : same),
  ],
  ['M9: a reconnect renews the credit', (isMutant) => neverAcking(isMutant ? renewedCredit : same)],
  [
    'M10: a replay is cut at a batch',
    (isMutant) => withLateViewer(isMutant ? (bus) => cutReplay(bus, 2) : same, 150),
  ],
  [
    'M11: an attempt begins in the epoch of an earlier one whose log has expired',
    (isMutant) => withExpiredLog(isMutant ? forgetful : same),
  ],
  [
    'M12: a refusal counts as an outage',
    (isMutant) => withOneViewer((bus) => (isMutant ? refusalIsOutage(full(bus)) : full(bus))),
  ],
];

describe('the oracle kills', () => {
  test.each(MUTANTS)(
    '%s',
    async (name, play) => {
      expect(kindsOf(await play(false))).toEqual([]);
      await scene?.close();
      const kinds = kindsOf(await play(true));
      process.stdout.write(`${name}: ${kinds.length > 0 ? `killed, ${kinds.join(', ')}` : 'ALIVE'}\n`);
      expect(kinds).not.toEqual([]);
    },
    40_000,
  );
});
