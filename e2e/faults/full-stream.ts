import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from 'nats';

/** A stream that has no room left. */
export type FullStream = {
  /** gives it all the room that it had before */
  heal(): Promise<void>;
};

/** Makes what a stream holds all that it may hold: it takes nothing more, and gives up nothing that it has. */
export const fillStream = async (natsUrl: string, stream: string): Promise<FullStream> => {
  const nc = await connect({ servers: natsUrl });
  const { streams } = await jetstreamManager(nc);
  const { config, state } = await streams.info(stream);
  await streams.update(stream, { max_bytes: Math.max(1, state.bytes) });
  return {
    heal: async () => {
      await streams.update(stream, { max_bytes: config.max_bytes });
      await nc.close();
    },
  };
};

/** What the server says by itself, and the tokens of a run that has not ended yet. */
const EXPECTED = /^(_INBOX|\$JS\.EVENT|tok|live\.tok)\./;

/** Counts every message that NATS is sent by anybody, but for those, until it is closed. */
export const countMessages = async (
  natsUrl: string,
): Promise<{ readonly count: () => number; close(): Promise<void> }> => {
  const nc = await connect({ servers: natsUrl });
  let count = 0;
  nc.subscribe('>', {
    callback: (_error, { subject }) => {
      if (!EXPECTED.test(subject)) count += 1;
    },
  });
  await nc.flush();
  return { count: () => count, close: () => nc.close() };
};
