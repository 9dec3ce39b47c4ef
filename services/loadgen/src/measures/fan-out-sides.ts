import { pause, startClient } from '../bench.ts';
import type { Bench } from '../bench.ts';
import type { ClientApi } from '../clients/client-main.ts';
import type { RecordedFrame, Verification } from '../clients/crowd.ts';
import type { Role } from '../clients/viewer.ts';
import type { Target } from '../clients/wire.ts';
import { cpuDuring } from '../process-usage.ts';
import type { FanOutApi } from '../peers/fan-out/fan-out-server.ts';
import type { Peer } from '../peers/fan-out/peers.ts';
import { startRemote } from '../remote.ts';
import type { Remote } from '../remote.ts';

const SESSION = 'fan-out';

/** Who gets the frames, and how many a second. */
export type FanOutLoad = { readonly viewers: number; readonly framesPerSecond: number };

/** One repetition of one side. */
export type SideCost = {
  /** CPU microseconds of the sending process, and of the clients' process, for each frame that arrived */
  readonly usPerFrame: number;
  readonly clientUsPerFrame: number;
  readonly frames: number;
  readonly verification: Verification;
};

/** One way of sending a text to many. */
export type Side = {
  readonly name: string;
  /** Sends the frames, or a text of its own, and tells what it cost. */
  run(frames: readonly RecordedFrame[]): Promise<SideCost>;
  close(): Promise<void>;
};

export type EdgeSide = Side & {
  /** what its first viewer got in the last run, and the end */
  recorded(): readonly RecordedFrame[];
};

type Senders = { readonly pid: number; readonly viewers: Remote<ClientApi>; readonly count: number };

/** What both kinds of sides do alike: count, run, and compare what arrived with `text`, or with what is stored. */
const measured = async (
  { pid, viewers, count }: Senders,
  run: () => Promise<void>,
  text: string | null,
): Promise<SideCost> => {
  await viewers.call('begin', null);
  await viewers.call('mark', null);
  const { cpuMs } = await cpuDuring([pid, viewers.pid], async () => {
    await run();
    await viewers.call('ended', count);
  });
  const { frames } = await viewers.call('read', null);
  const verification = await viewers.call('verify', text);
  const [own = 0, clients = 0] = cpuMs.map((ms) => (ms * 1000) / frames);
  return { usPerFrame: own, clientUsPerFrame: clients, frames, verification };
};

const openCrowd = async (target: Target, count: number): Promise<Remote<ClientApi>> => {
  const viewers = startClient();
  await viewers.call('open', { target, sessions: Array.from({ length: count }, () => SESSION) });
  return viewers;
};

/** An edge of its own, all of whose viewers have the same role. */
export const openEdgeSide = async (
  { system, size }: Bench,
  load: FanOutLoad,
  role: Role,
): Promise<EdgeSide> => {
  const edge = await system.addEdge();
  const viewers = await openCrowd(edge.target, load.viewers);
  await viewers.call('subscribe', role);
  const senders = { pid: edge.pid, viewers, count: load.viewers };
  let recorded: readonly RecordedFrame[] = [];
  return {
    name: role === 'viewer' ? 'Sluice with acks' : 'Sluice observers',
    run: async () => {
      const tokens = Math.round((load.framesPerSecond * size.windowMs) / 1000);
      const simulated = { source: 'ngram', tokens, tokensPerSecond: load.framesPerSecond, ttftMs: 100 };
      const params = { simulated, seed: Math.floor(Math.random() * 1e9) };
      // Observers govern nothing, and do not count as somebody who watches.
      const unwatched = role === 'observer' ? ({ governor: 'none', onAbandon: 'finish' } as const) : {};
      await viewers.call('record', null);
      const prompt = { count: 1, overMs: 0, body: { params, ...unwatched } };
      const cost = await measured(senders, () => viewers.call('prompt', prompt), null);
      const frames = await viewers.call('recorded', null);
      recorded = [...frames, endAfter(frames)];
      return cost;
    },
    recorded: () => recorded,
    close: async () => {
      await viewers.close();
      await edge.close();
    },
  };
};

export const openPeerSide = async (peer: Peer, load: FanOutLoad): Promise<Side> => {
  const server = startRemote<FanOutApi>(peer.script);
  const port = await server.call('listen', peer.options ?? {});
  const viewers = await openCrowd({ kind: peer.kind, port }, load.viewers);
  const senders = { pid: server.pid, viewers, count: load.viewers };
  return {
    name: peer.name,
    run: (frames) => measured(senders, () => server.call('replay', frames), textOf(frames)),
    close: async () => {
      await Promise.all([viewers.close(), server.close()]);
    },
  };
};

type Delta = {
  readonly type: string;
  readonly session: string;
  readonly generation: string;
  readonly seq: number;
  readonly text?: string;
};

const frameOf = ({ json }: RecordedFrame): Delta => JSON.parse(json) as Delta;

const textOf = (frames: readonly RecordedFrame[]): string =>
  frames.map((frame) => frameOf(frame).text ?? '').join('');

const endAfter = (frames: readonly RecordedFrame[]): RecordedFrame => {
  const last = frames.at(-1);
  if (last === undefined) throw new Error('expected recorded frames, got none');
  const { session, generation, seq } = frameOf(last);
  const end = { type: 'end', session, generation, epoch: 0, seq, reason: 'stop' };
  return { afterMs: last.afterMs, json: JSON.stringify(end) };
};

/** Lets what a run left behind come to rest. */
export const settle = (): Promise<void> => pause(500);
