import { DiscardPolicy } from '@nats-io/jetstream';
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import type { Link, StreamState } from '../../bus.ts';
import type { Subscription } from '../../token-log.ts';
import { busError } from '../answer.ts';

/** The connection's state as the parts of the bus need it. */
export type Connection = {
  readonly connected: boolean;
  onReconnect(listener: () => void): Subscription;
  onDisconnect(listener: () => void): Subscription;
};

/**
 * Follows the connection. The library drops what is published while it is disconnected, or sends it
 * late, and tells neither: whoever publishes something that matters asks here first.
 */
export const watchConnection = (nc: NatsConnection): Connection => {
  let connected = true;
  const reconnects = new Set<() => void>();
  const disconnects = new Set<() => void>();
  const follow = async (): Promise<void> => {
    for await (const { type } of nc.status()) {
      if (type !== 'disconnect' && type !== 'reconnect') continue;
      connected = type === 'reconnect';
      for (const listener of connected ? reconnects : disconnects) listener();
    }
  };
  void follow();
  const add = (listeners: Set<() => void>, listener: () => void): Subscription => {
    listeners.add(listener);
    return { close: () => void listeners.delete(listener) };
  };
  return {
    get connected() {
      return connected && !nc.isClosed();
    },
    onReconnect: (listener) => add(reconnects, listener),
    onDisconnect: (listener) => add(disconnects, listener),
  };
};

export const createNatsLink = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  connection: Connection,
  streams: readonly string[],
): Link => ({
  get connected() {
    return connection.connected;
  },
  onReconnect: connection.onReconnect,
  closed: nc.closed().then((error) => error ?? undefined),
  streams: () => statesOf(jsm, streams),
});

const statesOf = async (jsm: JetStreamManager, streams: readonly string[]): Promise<StreamState[]> => {
  try {
    return (await Promise.all(streams.map((stream) => jsm.streams.info(stream)))).map(stateOf);
  } catch (error) {
    throw busError('stream usage', error);
  }
};

const stateOf = ({ config, state, cluster }: StreamInfo): StreamState => ({
  name: config.name,
  // One that drops its oldest messages takes whatever comes.
  fullness: config.discard === DiscardPolicy.New ? state.bytes / config.max_bytes : 0,
  maxBytes: config.max_bytes,
  replicas: config.num_replicas,
  leader: cluster?.leader,
  behind: (cluster?.replicas ?? [])
    .filter(({ current, offline }) => !current || offline === true)
    .map(({ name }) => name),
});
