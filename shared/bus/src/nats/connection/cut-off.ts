import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import type { Subscription } from '../../token-log.ts';
import type { Connection } from './link.ts';

const ASK_MS = 2_000;
/** Longer than JetStream takes to elect a leader, ms. */
const PATIENCE_MS = 10_000;

/**
 * A server that is cut off from the others keeps its clients, answers their pings, and has no leader within reach. Who
 * finds itself there for longer than an election takes goes to the next server; where the cluster as a whole has no
 * leader that does no harm.
 */
export const leaveCutOff = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  connection: Connection,
): Subscription => {
  let servedAt = performance.now();
  let isAsking = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    try {
      // Nobody but the leader of all of JetStream answers this.
      await jsm.getAccountInfo();
      servedAt = performance.now();
    } catch {
      if (performance.now() - servedAt < PATIENCE_MS || !connection.connected) return;
      servedAt = performance.now();
      // Closed meanwhile: there is nowhere to go.
      await nc.reconnect().catch(() => undefined);
    } finally {
      isAsking = false;
    }
  };
  const timer = setInterval(() => {
    // While there is no connection the library looks for one.
    if (!connection.connected) servedAt = performance.now();
    else if (!isAsking) void ask();
  }, ASK_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
};
