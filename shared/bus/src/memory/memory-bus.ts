import type { ControlMessage, GenerationKey } from '@sluice/protocol';
import { BodyStore } from '../bodies/body-store.ts';
import type { ChunkStore } from '../bodies/body-store.ts';
import { sessionsWithBodies } from '../bodies/sessions-with-bodies.ts';
import { Border } from '../border.ts';
import { BusUnavailableError } from '../bus.ts';
import type { Bus } from '../bus.ts';
import type { Control, ControlListener, Presence } from '../control.ts';
import { parseBeat, parseCancelReply, parseControl, parseStatsAsk, parseWorkerInfo } from '../messages.ts';
import type { Relay } from '../relay.ts';
import type { StatsDemand } from '../stats/stats-demand.ts';
import { beatSubject, controlSubject, presenceSubject, relaySubject, statsSubject } from '../subjects.ts';
import type { WorkerDirectory } from '../worker-directory.ts';
import { memoryCounters } from './memory-counters.ts';
import { memoryErasure } from './memory-erasure.ts';
import { createMemoryHub, listen, publish } from './memory-hub.ts';
import type { Listener, MemoryHub } from './memory-hub.ts';
import { createMemoryJobs } from './memory-jobs.ts';
import { memoryOpenGenerations } from './memory-open-generations.ts';
import { memoryRevocations } from './memory-revocations.ts';
import { memoryOrgs } from './memory-orgs.ts';
import { memorySessionCards } from './memory-session-cards.ts';
import { memoryRecords } from './memory-session-store.ts';
import { memoryTokens } from './memory-token-log.ts';
import { memoryUsageLedger } from './memory-usage-ledger.ts';

/** As NATS's requests. */
const REQUEST_TIMEOUT_MS = 2_000;
/** As NATS's. */
const MAX_CHUNK_BYTES = 256 * 1024;

/**
 * The bus without NATS, for tests of what stands above it. Delivery is asynchronous, as over a
 * network, and everything that crosses is text and parsed as there.
 */
export const createMemoryBus = (
  hub: MemoryHub = createMemoryHub(),
  { ackWaitMs = 30_000 }: { ackWaitMs?: number } = {},
): Bus => {
  const border = new Border();
  const tokens = memoryTokens(hub, border);
  return {
    tokens,
    sessions: sessionsWithBodies(memoryRecords(hub, border), new BodyStore(memoryChunks(hub), border)),
    open: memoryOpenGenerations(hub),
    cards: memorySessionCards(hub, border),
    erasure: memoryErasure(hub, tokens),
    jobs: createMemoryJobs(hub, { border, ackWaitMs }),
    counters: memoryCounters(hub),
    usage: memoryUsageLedger(hub, border),
    control: memoryControl(hub, border),
    presence: memoryPresence(hub),
    relay: memoryRelay(hub),
    revocations: memoryRevocations(hub, border),
    workers: memoryWorkers(hub, border),
    stats: memoryStats(hub, border),
    orgs: memoryOrgs(hub, border),
    link: {
      connected: true,
      onReconnect: () => ({ close: () => undefined }),
      closed: new Promise(() => undefined),
      streams: () => Promise.resolve([]),
    },
    border,
    close: () => Promise.resolve(),
  };
};

const memoryChunks = ({ bodies }: MemoryHub): ChunkStore => ({
  maxChunkBytes: MAX_CHUNK_BYTES,
  write: async (subject, chunk) => void bodies.set(subject, Uint8Array.from(chunk)),
  read: async (subjects) =>
    new Map(
      subjects.flatMap((subject) => {
        const chunk = bodies.get(subject);
        return chunk === undefined ? [] : [[subject, chunk]];
      }),
    ),
});

/** The answer of the first that listens; undefined when nobody does. @throws BusUnavailableError */
const request = async (
  hub: MemoryHub,
  subject: string,
  { text, timeoutMs }: { readonly text: string; readonly timeoutMs: number },
): Promise<string | undefined> => {
  await Promise.resolve();
  const [listener] = hub.listeners.get(subject) ?? [];
  if (listener === undefined) return undefined;
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new BusUnavailableError(`no answer in ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    listener(text, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
};

const memoryControl = (hub: MemoryHub, border: Border): Control => {
  const ask = async <Reply>(
    key: GenerationKey,
    message: ControlMessage,
    parse: (text: string) => Reply,
  ): Promise<Reply | undefined> => {
    const question = { text: JSON.stringify(message), timeoutMs: REQUEST_TIMEOUT_MS };
    const answer = await request(hub, controlSubject(key), question);
    const reply = answer === undefined ? undefined : border.read('control_reply', answer, parse);
    if (answer !== undefined && reply === undefined)
      throw new BusUnavailableError('control: expected a reply, got something else');
    return reply;
  };
  return {
    ack: (key, ack) => publish(hub, controlSubject(key), JSON.stringify(ack)),
    cancel: (key, user) => ask(key, { type: 'cancel', user }, parseCancelReply),
    serve: (key, listener) =>
      Promise.resolve(listen(hub.listeners, controlSubject(key), onControl(listener, border))),
  };
};

const onControl =
  (listener: ControlListener, border: Border): Listener =>
  (text, respond) => {
    const control = border.read('control', text, parseControl);
    if (control?.type === 'ack') listener.ack(control);
    else if (control?.type === 'cancel') respond?.(JSON.stringify(listener.cancel(control.user)));
  };

const memoryPresence = (hub: MemoryHub): Presence => ({
  publish: (key, message) => publish(hub, presenceSubject(key), JSON.stringify(message)),
});

const memoryRelay = (hub: MemoryHub): Relay => ({
  ask: (edge, text, timeoutMs) => request(hub, relaySubject(edge), { text, timeoutMs }),
  serve: (edge, answer) => {
    const onQuestion: Listener = (question, respond) => {
      // An answer that fails leaves its asker to the timeout.
      void answer(question).then(
        (text) => text !== undefined && respond?.(text),
        () => undefined,
      );
    };
    return Promise.resolve(listen(hub.listeners, relaySubject(edge), onQuestion));
  },
});

const memoryWorkers = (hub: MemoryHub, border: Border): WorkerDirectory => ({
  announce: (entry) => {
    hub.workers.set(entry.worker, JSON.stringify(entry));
    return Promise.resolve();
  },
  retire: (worker) => {
    hub.workers.delete(worker);
    return Promise.resolve();
  },
  list: () =>
    Promise.resolve(
      [...hub.workers.values()].flatMap(
        (text) => border.read('directory_entry', text, parseWorkerInfo) ?? [],
      ),
    ),
  beat: (beat) => publish(hub, beatSubject, JSON.stringify(beat)),
  onBeat: (listener) => {
    const onText = (text: string): void => {
      const beat = border.read('beat', text, parseBeat);
      if (beat !== undefined) listener(beat);
    };
    return Promise.resolve(listen(hub.listeners, beatSubject, onText));
  },
});

const memoryStats = (hub: MemoryHub, border: Border): StatsDemand => ({
  ask: (ask) => publish(hub, statsSubject, JSON.stringify(ask)),
  onAsk: (listener) => {
    const onText = (text: string): void => {
      const ask = border.read('stats_ask', text, parseStatsAsk);
      if (ask !== undefined) listener(ask);
    };
    return Promise.resolve(listen(hub.listeners, statsSubject, onText));
  },
});
