import { createServer } from 'node:net';

// Below Linux's ephemeral range (32768 and up). A fixed port inside that range can be taken, while its server is
// down, by any outgoing connection, even by the very client that keeps redialling it (TCP self-connect).
const FIRST_PORT = 12_000;
const LAST_PORT = 32_000;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });

/**
 * A loopback port that is free now and stays the owner's across restarts. For servers that must come back on the
 * same port; everything else listens on port 0. Another process may still win the race: retry on a bind error.
 */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (await isFree(port)) return port;
  }
};
