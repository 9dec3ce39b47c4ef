import type { Bench, BenchSize, Measure, Row } from '../bench.ts';
import type { Verification } from '../clients/crowd.ts';
import { medianOf, medianRatio } from '../statistics.ts';
import { SessionSides, TOKENS_PER_SECOND } from './session-sides.ts';
import type { LiveWindow, Window } from './session-sides.ts';

const MAX_RATIO = 1.1;
/** More tokens to a frame than this: the figure is cheap because the machine was overloaded. */
const BEHIND = 1.5;

type Repetition = {
  readonly live: LiveWindow;
  readonly relay: Window;
  readonly verifications: readonly Verification[];
};

/**
 * P2: many sessions that stream at once, end to end, against a relay of core NATS messages to
 * WebSockets that neither stores, replays nor paces.
 */
export const sessions: Measure = {
  name: 'many sessions',
  ids: ['P2'],
  run: async (bench) => {
    const { system, size, say } = bench;
    say(`P2, opening ${size.sessions} sessions at the edge and at the relay`);
    const sides = new SessionSides(bench, await system.addEdge());
    try {
      await sides.open();
      for (let turn = 0; turn < size.warmUps; turn += 1) await repeat(sides);
      const repetitions = await repeatAll(bench, sides);
      return {
        rows: [costRow(size, repetitions)],
        verifications: repetitions.flatMap(({ verifications }) => verifications),
      };
    } finally {
      await sides.close();
    }
  },
};

const repeatAll = async ({ size, say }: Bench, sides: SessionSides): Promise<readonly Repetition[]> => {
  const repetitions: Repetition[] = [];
  for (let count = 1; count <= size.repetitions; count += 1) {
    say(`P2, ${size.sessions} sessions, repetition ${count} of ${size.repetitions}`);
    repetitions.push(await repeat(sides));
  }
  return repetitions;
};

const repeat = async (sides: SessionSides): Promise<Repetition> => {
  const live = await sides.live();
  const relay = await sides.relay();
  return {
    live: live.window,
    relay: relay.window,
    verifications: [...live.verifications, ...relay.verifications],
  };
};

const costRow = ({ sessions: count }: BenchSize, repetitions: readonly Repetition[]): Row => {
  const edgeUs = repetitions.map(({ live }) => live.usPerToken);
  const relayUs = repetitions.map(({ relay }) => relay.usPerToken);
  const ratio = medianRatio(edgeUs, relayUs);
  // Above 1 the machine was behind, and tokens shared frames that on a faster one they would not.
  const tokensPerFrame = medianOf(repetitions.map(({ live }) => live.received.tokens / live.received.frames));
  return {
    id: 'P2',
    what: `${count} sessions x ${TOKENS_PER_SECOND} tokens/s, acks included: edge CPU per token against a bare ws.send relay`,
    target: `<= ${MAX_RATIO} x`,
    value: `${ratio.toFixed(2)} x${tokensPerFrame > BEHIND ? `, ${tokensPerFrame.toFixed(1)} a frame` : ''}`,
    ok: ratio <= MAX_RATIO && tokensPerFrame <= BEHIND,
    figures: {
      ratio,
      edgeUsPerToken: medianOf(edgeUs),
      relayUsPerToken: medianOf(relayUs),
      workerUsPerToken: medianOf(repetitions.map(({ live }) => live.workerUsPerToken)),
      natsUsPerToken: medianOf(repetitions.map(({ live }) => live.natsUsPerToken)),
      begunMs: medianOf(repetitions.map(({ live }) => live.begunMs)),
      tokensPerFrame,
    },
  };
};
