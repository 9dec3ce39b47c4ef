import { jetstreamManager } from '@nats-io/jetstream';
import { waitFor } from '@sluice/testkit';
import { connect } from 'nats';

const TIMEOUT_MS = 5_000;
/** The least age that the server takes, ns. */
const AT_ONCE_NS = 100_000_000;

/** Lets everything that a stream holds expire, and then has it as it was: most of ours deny a purge. */
export const emptyStream = async (natsUrl: string, stream: string): Promise<void> => {
  const nc = await connect({ servers: natsUrl.split(','), timeout: TIMEOUT_MS });
  try {
    const { streams } = await jetstreamManager(nc, { timeout: TIMEOUT_MS });
    const { max_age, duplicate_window } = (await streams.info(stream)).config;
    await streams.update(stream, { max_age: AT_ONCE_NS, duplicate_window: AT_ONCE_NS });
    const isEmpty = async (): Promise<boolean> => (await streams.info(stream)).state.messages === 0;
    await waitFor(isEmpty, { what: `${stream} to expire`, timeoutMs: TIMEOUT_MS });
    await streams.update(stream, { max_age, duplicate_window });
  } finally {
    await nc.close();
  }
};
