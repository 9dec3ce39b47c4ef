import { parseRecord } from '@sluice/protocol';
import { BusUnavailableError } from '../bus.ts';
import type { Bus } from '../bus.ts';
import type { Control, Presence } from '../control.ts';
import type { Relay } from '../relay.ts';
import { MAX_PAGE_BYTES, MAX_PAGE_ITEMS } from '../session-store.ts';
import type { ItemBody, SessionStore, StoredItem } from '../session-store.ts';
import type { StatsDemand } from '../stats-demand.ts';
import { controlSubject, itemKey, relaySubject, tokenSubject } from '../subjects.ts';
import type { TokenLog } from '../token-log.ts';
import type { WorkerDirectory } from '../worker-directory.ts';
import { createMemoryJobs } from './memory-jobs.ts';
import { createMemoryHub, listen } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

/**
 * The bus without NATS, for tests of what stands above it. Delivery is asynchronous, as over a
 * network, and everything that crosses is copied, so sharing an object by accident shows.
 */
export const createMemoryBus = (
  hub: MemoryHub = createMemoryHub(),
  options: { ackWaitMs?: number } = {},
): Bus => ({
  tokens: memoryTokens(hub),
  sessions: memorySessions(hub),
  jobs: createMemoryJobs(hub, options.ackWaitMs ?? 30_000),
  control: memoryControl(hub),
  presence: memoryPresence(hub),
  relay: memoryRelay(hub),
  workers: memoryWorkers(hub),
  stats: memoryStats(hub),
  link: {
    connected: true,
    onReconnect: () => ({ close: () => undefined }),
    closed: new Promise(() => undefined),
    fullness: () => Promise.resolve(0),
    streams: () => Promise.resolve([]),
  },
  close: () => Promise.resolve(),
});

const sessionPath = (key: { readonly org: string; readonly session: string }): string =>
  `${key.org}.${key.session}`;

const memoryTokens = (hub: MemoryHub): TokenLog => ({
  append: (key, draft) => {
    const subject = tokenSubject(0, key);
    const last = hub.heads.get(subject)?.sequence ?? 0;
    if (last !== draft.expected) return Promise.resolve({ type: 'wrong_sequence' });
    const stored = { sequence: hub.log.length + 1, record: parseRecord(draft.payload) };
    hub.log.push({ subject, stored });
    hub.heads.set(subject, stored);
    queueMicrotask(() => {
      const record = parseRecord(draft.payload);
      for (const tail of hub.tails.get(sessionPath(key)) ?? []) tail.record(key.generation, record);
    });
    return Promise.resolve({ type: 'stored', sequence: stored.sequence });
  },
  head: (key) => Promise.resolve(structuredClone(hub.heads.get(tokenSubject(0, key)))),
  at: (key, sequence) => {
    const entry = hub.log[sequence - 1];
    const isOurs = entry?.subject === tokenSubject(0, key);
    return Promise.resolve(isOurs ? structuredClone(entry.stored) : undefined);
  },
  tail: (key, listener) => Promise.resolve(listen(hub.tails, sessionPath(key), listener)),
  announce: (key, state) => {
    queueMicrotask(() => {
      for (const tail of hub.tails.get(sessionPath(key)) ?? []) tail.state?.(key.generation, state);
    });
  },
});

const memorySessions = (hub: MemoryHub): SessionStore => {
  const put = (key: { org: string; session: string }, body: ItemBody): number => {
    hub.rev += 1;
    const stored: StoredItem = { rev: hub.rev, item: structuredClone(body) };
    const id = `${sessionPath(key)}.${body.id}`;
    hub.items.delete(id);
    hub.items.set(id, stored);
    queueMicrotask(() => {
      for (const tail of hub.tails.get(sessionPath(key)) ?? []) tail.item(structuredClone(stored));
    });
    return hub.rev;
  };
  return {
    createPrompt: (key, entry) => {
      const id = itemKey(key, key.generation);
      const known = hub.prompts.get(id);
      if (known === undefined) hub.prompts.set(id, structuredClone(entry));
      return Promise.resolve({ created: known === undefined, entry: structuredClone(known ?? entry) });
    },
    prompt: (key) => Promise.resolve(structuredClone(hub.prompts.get(itemKey(key, key.generation)))),
    createItem: (key, body) => {
      const taken = hub.items.has(`${sessionPath(key)}.${body.id}`);
      return Promise.resolve(taken ? undefined : put(key, body));
    },
    item: (key, id) => Promise.resolve(structuredClone(hub.items.get(itemKey(key, id)))),
    updateItem: (key, body, rev) => {
      const known = hub.items.get(`${sessionPath(key)}.${body.id}`);
      if (known?.rev === rev) return Promise.resolve(put(key, body));
      // A repeat whose first answer got lost is a success, as on NATS.
      const isOurs = known !== undefined && JSON.stringify(known.item) === JSON.stringify(body);
      return Promise.resolve(isOurs ? known.rev : undefined);
    },
    items: (key, since) => Promise.resolve(pageOf(hub, `${sessionPath(key)}.`, since)),
  };
};

const pageOf = (hub: MemoryHub, prefix: string, since: number) => {
  const items: StoredItem[] = [];
  let bytes = 0;
  let more = false;
  for (const [id, stored] of hub.items) {
    if (!id.startsWith(prefix) || stored.rev <= since) continue;
    more = items.length >= MAX_PAGE_ITEMS || bytes > MAX_PAGE_BYTES;
    if (more) break;
    items.push(structuredClone(stored));
    bytes += JSON.stringify(stored.item).length;
  }
  return { items, rev: items.at(-1)?.rev ?? since, more };
};

const memoryControl = (hub: MemoryHub): Control => ({
  ack: (key, ack) => {
    queueMicrotask(() => {
      for (const listener of hub.controls.get(controlSubject(key)) ?? []) listener.ack(ack);
    });
  },
  cancel: async (key, user) => {
    await Promise.resolve();
    const [listener] = hub.controls.get(controlSubject(key)) ?? [];
    return listener?.cancel(user);
  },
  serve: (key, listener) => Promise.resolve(listen(hub.controls, controlSubject(key), listener)),
});

const memoryPresence = (hub: MemoryHub): Presence => ({
  publish: (key, message) => {
    queueMicrotask(() => {
      for (const tail of hub.tails.get(sessionPath(key)) ?? []) tail.presence?.(structuredClone(message));
    });
  },
});

const memoryRelay = (hub: MemoryHub): Relay => ({
  ask: async (edge, question, timeoutMs) => {
    await Promise.resolve();
    const [answer] = hub.relays.get(relaySubject(edge)) ?? [];
    if (answer === undefined) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new BusUnavailableError(`no answer in ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([answer(question), late]);
    } finally {
      clearTimeout(timer);
    }
  },
  serve: (edge, answer) => Promise.resolve(listen(hub.relays, relaySubject(edge), answer)),
});

const memoryWorkers = (hub: MemoryHub): WorkerDirectory => ({
  announce: (entry) => {
    hub.workers.set(entry.worker, structuredClone(entry));
    return Promise.resolve();
  },
  retire: (worker) => {
    hub.workers.delete(worker);
    return Promise.resolve();
  },
  list: () => Promise.resolve(structuredClone([...hub.workers.values()])),
  beat: (beat) => {
    queueMicrotask(() => {
      for (const listener of hub.beats) listener(structuredClone(beat));
    });
  },
  onBeat: (listener) => {
    hub.beats.add(listener);
    return Promise.resolve({ close: () => void hub.beats.delete(listener) });
  },
});

const memoryStats = (hub: MemoryHub): StatsDemand => ({
  ask: (ask) => {
    queueMicrotask(() => {
      for (const listener of hub.asks) listener(structuredClone(ask));
    });
  },
  onAsk: (listener) => {
    hub.asks.add(listener);
    return Promise.resolve({ close: () => void hub.asks.delete(listener) });
  },
});
