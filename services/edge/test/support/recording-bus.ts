import { BusUnavailableError } from '@sluice/bus';
import type { Bus, StreamState } from '@sluice/bus';

const streamOf = (fullness: number): StreamState => ({
  ...{ name: 'TOKENS', fullness, maxBytes: 2 ** 30, replicas: 1, leader: undefined, behind: [] },
});

/** A bus that remembers what was asked of it, and that can be made to fail. */
export type RecordingBus = {
  readonly bus: Bus;
  /**
   * `part.method` of each call, oldest first; not the link's, nor the regular looks at workers, at what is open and at
   * what is to be erased, nor what counts connections
   */
  readonly operations: string[];
  /** arguments of each call, as JSON, for a search of what must never reach NATS */
  readonly written: string[];
  /** while true, whatever resolves rejects with {@link BusUnavailableError} */
  isDown: boolean;
  /** fill of the fullest stream that the link reports */
  fullness: number;
  /** Says that the link was down and is back. */
  reconnect(): void;
};

type Method = (...args: unknown[]) => unknown;

export const recordingBus = (inner: Bus): RecordingBus => {
  const listeners = new Set<() => void>();
  const recording: RecordingBus = {
    ...{ bus: inner, operations: [], written: [], isDown: false, fullness: 0 },
    reconnect: () => listeners.forEach((listener) => listener()),
  };
  const wrap = <Part extends object>(name: string, part: Part): Part => {
    const methods = Object.entries(part as Record<string, Method>).map(([method, run]) => {
      const recorded: Method = (...args) => {
        const isLease = name === 'counters' && JSON.stringify(args).includes('"connections"');
        const isLook = name === 'workers' || method === 'list' || method === 'marks';
        if (!isLook && !isLease) recording.operations.push(`${name}.${method}`);
        recording.written.push(JSON.stringify(args));
        if (!recording.isDown) return run(...args);
        const isAsync = name !== 'presence' && !(name === 'control' && method === 'ack');
        return isAsync ? Promise.reject(new BusUnavailableError('down')) : undefined;
      };
      return [method, recorded] as const;
    });
    return Object.fromEntries(methods) as Part;
  };
  const bus: Bus = {
    tokens: wrap('tokens', inner.tokens),
    sessions: wrap('sessions', inner.sessions),
    open: wrap('open', inner.open),
    cards: wrap('cards', inner.cards),
    erasure: wrap('erasure', inner.erasure),
    jobs: wrap('jobs', inner.jobs),
    counters: wrap('counters', inner.counters),
    usage: wrap('usage', inner.usage),
    control: wrap('control', inner.control),
    presence: wrap('presence', inner.presence),
    relay: wrap('relay', inner.relay),
    revocations: wrap('revocations', inner.revocations),
    workers: wrap('workers', inner.workers),
    orgs: inner.orgs,
    stats: inner.stats,
    border: inner.border,
    link: {
      ...inner.link,
      streams: () => Promise.resolve([streamOf(recording.fullness)]),
      onReconnect: (listener) => {
        listeners.add(listener);
        return { close: () => void listeners.delete(listener) };
      },
    },
    close: () => inner.close(),
  };
  return Object.assign(recording, { bus });
};
