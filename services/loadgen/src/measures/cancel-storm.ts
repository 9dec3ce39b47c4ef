import { namesOf, pause, startClient } from '../bench.ts';
import type { Measure, Row } from '../bench.ts';
import { cpuDuring } from '../process-usage.ts';
import type { Spent } from '../process-usage.ts';
import { medianOf, quantileOf } from '../statistics.ts';

/** Cancels are sent at this rate, by as many sessions as the other scenarios have. */
const CANCELS_PER_SECOND = 1_000;
const SETTLE_MS = 1_000;
const TOKENS = 1_000;
const TOKENS_PER_SECOND = 5;
const MAX_P99_MS = 500;

/** P6: everybody stops at once. How long until each sees its end, which is when the slot is free. */
export const cancelStorm: Measure = {
  name: 'cancel storm',
  ids: ['P6'],
  run: async ({ system, size, say }) => {
    const edge = await system.addEdge();
    const viewers = startClient();
    const count = size.sessions;
    try {
      say(`P6 cancel storm, starting ${count} generations`);
      await viewers.call('open', { target: edge.target, sessions: namesOf('storm', count) });
      await viewers.call('subscribe', null);
      await viewers.call('begin', null);
      const simulated = { source: 'ngram', tokens: TOKENS, tokensPerSecond: TOKENS_PER_SECOND, ttftMs: 100 };
      await viewers.call('prompt', { count, overMs: 1_500, body: { params: { simulated } } });
      await viewers.call('started', count);
      await pause(SETTLE_MS);
      say(`P6 cancel storm, ${count} cancels`);
      const spent = await cpuDuring([edge.pid, system.workerPid, system.natsPid], () =>
        viewers.call('cancelAll', CANCELS_PER_SECOND),
      );
      const verification = await viewers.call('verify', null);
      return { rows: [rowOf(count, spent)], verifications: [verification] };
    } finally {
      await viewers.close();
      await edge.close();
    }
  },
};

const rowOf = (count: number, { cpuMs, result }: Spent<readonly number[]>): Row => {
  const p99Ms = quantileOf(result, 0.99);
  const [edge = 0, worker = 0, nats = 0] = cpuMs.map((ms) => (ms * 1000) / count);
  return {
    id: 'P6',
    what: `${count} cancels at ${CANCELS_PER_SECOND} a second: from cancel to the end frame, p99`,
    target: `<= ${MAX_P99_MS} ms`,
    value: `${p99Ms.toFixed(0)} ms`,
    ok: p99Ms <= MAX_P99_MS,
    figures: {
      p50Ms: medianOf(result),
      p99Ms,
      edgeUsPerCancel: edge,
      workerUsPerCancel: worker,
      natsUsPerCancel: nats,
    },
  };
};
