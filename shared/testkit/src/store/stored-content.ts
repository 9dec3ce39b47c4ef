import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from 'nats';

/** Everything that a server has in its streams, one line a message: its stream, subject, headers and payload. */
export const storedContent = async (url: string): Promise<string> => {
  const nc = await connect({ servers: url });
  try {
    const jsm = await jetstreamManager(nc);
    const lines: string[] = [];
    for await (const { config, state } of jsm.streams.list()) {
      for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
        // Deleted, or replaced by a later message of its subject.
        const message = await jsm.streams.getMessage(config.name, { seq }).catch(() => undefined);
        if (message === undefined || message === null) continue;
        const headers = [...message.header].map(([name, values]) => `${name}: ${String(values)}`).join(', ');
        lines.push(`${config.name} ${message.subject} [${headers}] ${message.string()}`);
      }
    }
    return lines.join('\n');
  } finally {
    await nc.close();
  }
};
