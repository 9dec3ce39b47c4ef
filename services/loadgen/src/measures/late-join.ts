import { namesOf, startClient } from '../bench.ts';
import type { Measure, Outcome, Row } from '../bench.ts';
import type { ClientApi } from '../clients/client-main.ts';
import type { Join, Verification } from '../clients/crowd.ts';
import type { Remote } from '../remote.ts';
import { medianOf, quantileOf } from '../statistics.ts';

const TOKENS = 4_000;
/** Joins of each session after the first, which finds the edge without a feed. */
const WARM_JOINS = 5;
/** The generation stops talking after its 4,000 tokens and goes on much later: it is open all the time. */
const STALL_MS = 10 * 60_000;
const MAX_COLD_MS = 50;
const MAX_WARM_MS = 5;

/**
 * P7: a viewer comes late to a long generation that still runs. Cold: through an edge that has nothing
 * of the session yet. Warm: through one where somebody watches it already.
 */
export const lateJoin: Measure = {
  name: 'late join',
  ids: ['P7'],
  run: async ({ system, size, say }) => {
    const [home, other] = [await system.addEdge(), await system.addEdge()];
    const [authors, viewers] = [startClient(), startClient()];
    // The first session is the warm-up: it is measured like the others and left out.
    const names = namesOf('long', size.lateJoins + 1);
    try {
      say(`P7 late join, writing ${names.length} x ${TOKENS} tokens`);
      await authors.call('open', { target: home.target, sessions: names });
      await authors.call('subscribe', null);
      const written = await write(authors, names.length);
      await viewers.call('open', { target: other.target, sessions: [] });
      say('P7 late join, joining');
      const cold: Join[] = [];
      const warm: Join[] = [];
      const faults: string[] = [];
      for (const session of names) {
        const joins: Join[] = [];
        for (let count = 0; count <= WARM_JOINS; count += 1) joins.push(await viewers.call('join', session));
        faults.push(...joins.flatMap((join) => faultsOf(join, written[session])));
        cold.push(...joins.slice(0, 1));
        warm.push(...joins.slice(1));
      }
      const transcripts = cold.length + warm.length;
      const verification = { transcripts, faultCount: faults.length, faults };
      return outcomeOf(cold.slice(1), warm.slice(WARM_JOINS), verification);
    } finally {
      await Promise.all([authors.close(), viewers.close()]);
      await home.close();
      await other.close();
    }
  },
};

/** Resolves with what was written, by session. */
const write = async (authors: Remote<ClientApi>, count: number): Promise<Record<string, string>> => {
  const simulated = {
    source: 'ngram',
    tokens: TOKENS + 1,
    tokensPerSecond: 0,
    ttftMs: 0,
    stallAtToken: TOKENS + 1,
    stallMs: STALL_MS,
  };
  const body = { params: { simulated }, onAbandon: 'finish' } as const;
  await authors.call('prompt', { count, overMs: 0, body });
  return authors.call('fingerprints', TOKENS);
};

const faultsOf = ({ seq, fingerprint }: Join, expected: string | undefined): string[] =>
  seq === TOKENS && fingerprint === expected
    ? []
    : [`late join: got ${seq} tokens, ${fingerprint}, expected ${TOKENS}, ${expected}`];

const outcomeOf = (cold: readonly Join[], warm: readonly Join[], verification: Verification): Outcome => ({
  rows: [
    rowOf('an edge that has nothing of it (cold)', cold, MAX_COLD_MS),
    rowOf('an edge where it is watched (warm)', warm, MAX_WARM_MS),
  ],
  verifications: [verification],
});

const rowOf = (where: string, joins: readonly Join[], maxMs: number): Row => {
  const times = joins.map(({ ms }) => ms);
  const median = medianOf(times);
  return {
    id: 'P7',
    what: `late join, ${TOKENS} tokens in one frame, through ${where}: median`,
    target: `<= ${maxMs} ms`,
    value: `${median.toFixed(1)} ms`,
    ok: median <= maxMs,
    figures: { medianMs: median, p99Ms: quantileOf(times, 0.99), count: times.length },
  };
};
