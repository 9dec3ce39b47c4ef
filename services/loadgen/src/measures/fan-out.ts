import { pause, startClient } from '../bench.ts';
import type { Bench, Measure, Outcome } from '../bench.ts';
import type { ClientApi } from '../clients/client-main.ts';
import type { RecordedFrame, Verification } from '../clients/crowd.ts';
import type { TcpFanOutApi } from '../peers/tcp-fan-out-main.ts';
import { cpuDuring } from '../process-usage.ts';
import { startRemote } from '../remote.ts';
import type { Remote } from '../remote.ts';
import { medianOf, medianRatio } from '../statistics.ts';
import type { EdgeProcess } from '../system.ts';

const TOKENS_PER_SECOND = 50;
const MAX_RATIO = 1.25;
const SESSION = 'fan-out';
const SETTLE_MS = 1_000;

type Sides = {
  readonly edge: EdgeProcess;
  readonly viewers: Remote<ClientApi>;
  readonly tcp: Remote<TcpFanOutApi>;
  readonly tcpViewers: Remote<ClientApi>;
};

/** CPU microseconds per delivered frame on both sides of one repetition. */
type Repetition = {
  readonly edgeUs: number;
  readonly tcpUs: number;
  readonly frames: number;
  readonly verifications: readonly Verification[];
};

/** P1: one generation, many viewers, against a process that only writes the same bytes to as many sockets. */
export const fanOut: Measure = {
  ids: ['P1'],
  run: async (bench) => {
    const sides = await open(bench);
    try {
      // The first run is the warm-up of both sides and of the machine's caches.
      await repeat(bench, sides);
      const repetitions: Repetition[] = [];
      for (let count = 1; count <= bench.size.repetitions; count += 1) {
        bench.say(`P1 fan-out, repetition ${count} of ${bench.size.repetitions}`);
        repetitions.push(await repeat(bench, sides));
      }
      return outcomeOf(bench, repetitions);
    } finally {
      await Promise.all([sides.viewers.close(), sides.tcpViewers.close(), sides.tcp.close()]);
      await sides.edge.close();
    }
  },
};

const open = async ({ system, size, say }: Bench): Promise<Sides> => {
  say(`P1 fan-out, opening ${size.viewers} viewers and ${size.viewers} plain sockets`);
  const edge = await system.addEdge();
  const [viewers, tcpViewers] = [startClient(), startClient()];
  const tcp = startRemote<TcpFanOutApi>(new URL('../peers/tcp-fan-out-main.ts', import.meta.url));
  const sessions = Array.from({ length: size.viewers }, () => SESSION);
  await viewers.call('open', { target: edge.target, sessions });
  await viewers.call('subscribe', null);
  const port = await tcp.call('listen', null);
  await tcpViewers.call('open', { target: { kind: 'bytes', port }, sessions });
  await viewers.call('record', null);
  await pause(SETTLE_MS);
  return { edge, viewers, tcp, tcpViewers };
};

const repeat = async ({ size }: Bench, sides: Sides): Promise<Repetition> => {
  const { edge, viewers, tcp, tcpViewers } = sides;
  const tokens = Math.round((TOKENS_PER_SECOND * size.windowMs) / 1000);
  const simulated = { source: 'ngram', tokens, tokensPerSecond: TOKENS_PER_SECOND, ttftMs: 100 };
  const body = { params: { simulated, seed: Math.floor(Math.random() * 1e9) } };
  await viewers.call('begin', null);
  await viewers.call('mark', null);
  const live = await cpuDuring([edge.pid], async () => {
    await viewers.call('prompt', { count: 1, overMs: 0, body });
    await viewers.call('ended', size.viewers);
  });
  const { frames } = await viewers.call('read', null);
  const recorded = await viewers.call('recorded', null);
  await viewers.call('record', null);
  const verified = await viewers.call('verify', null);
  await pause(SETTLE_MS / 2);

  await tcpViewers.call('begin', null);
  await tcpViewers.call('mark', null);
  const plain = await cpuDuring([tcp.pid], async () => {
    await tcp.call('replay', [...recorded, endAfter(recorded)]);
    await tcpViewers.call('ended', size.viewers);
  });
  const { frames: plainFrames } = await tcpViewers.call('read', null);
  const plainVerified = await tcpViewers.call('verify', textOf(recorded));
  return {
    edgeUs: ((live.cpuMs[0] ?? 0) * 1000) / frames,
    tcpUs: ((plain.cpuMs[0] ?? 0) * 1000) / plainFrames,
    frames,
    verifications: [verified, plainVerified],
  };
};

type Delta = {
  readonly session: string;
  readonly generation: string;
  readonly seq: number;
  readonly text: string;
};

const textOf = (frames: readonly RecordedFrame[]): string =>
  frames.map(({ json }) => (JSON.parse(json) as Delta).text).join('');

const endAfter = (frames: readonly RecordedFrame[]): RecordedFrame => {
  const last = frames.at(-1);
  if (last === undefined) throw new Error('expected recorded frames, got none');
  const { session, generation, seq } = JSON.parse(last.json) as Delta;
  const end = { type: 'end', session, generation, epoch: 0, seq, reason: 'stop' };
  return { afterMs: last.afterMs, json: JSON.stringify(end) };
};

const outcomeOf = ({ size }: Bench, repetitions: readonly Repetition[]): Outcome => {
  const edgeUs = repetitions.map((repetition) => repetition.edgeUs);
  const tcpUs = repetitions.map((repetition) => repetition.tcpUs);
  const ratio = medianRatio(edgeUs, tcpUs);
  const row = {
    id: 'P1',
    what: `fan-out to ${size.viewers} viewers, acks included: edge CPU per frame against raw TCP`,
    target: `<= ${MAX_RATIO} x`,
    value: `${ratio.toFixed(2)} x`,
    ok: ratio <= MAX_RATIO,
    figures: {
      ratio,
      edgeUsPerFrame: medianOf(edgeUs),
      tcpUsPerFrame: medianOf(tcpUs),
      framesPerRepetition: medianOf(repetitions.map(({ frames }) => frames)),
    },
  };
  return { rows: [row], verifications: repetitions.flatMap(({ verifications }) => verifications) };
};
