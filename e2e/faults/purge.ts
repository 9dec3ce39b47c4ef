import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from 'nats';

const TIMEOUT_MS = 5_000;

/** Takes away everything a stream holds, as if it had expired. */
export const purge = async (natsUrl: string, stream: string): Promise<void> => {
  const nc = await connect({ servers: natsUrl.split(','), timeout: TIMEOUT_MS });
  try {
    const manager = await jetstreamManager(nc, { timeout: TIMEOUT_MS });
    await manager.streams.purge(stream);
  } finally {
    await nc.close();
  }
};
