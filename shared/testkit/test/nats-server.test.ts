import { afterEach, describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import type { NatsServer, NatsServerOptions } from '../src/index.ts';
import { startNatsServer, waitFor } from '../src/index.ts';

const started: NatsServer[] = [];
const start = async (options: NatsServerOptions = {}): Promise<NatsServer> => {
  const server = await startNatsServer(options);
  started.push(server);
  return server;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
});

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

/** `PING` on a NATS connection; whether `PONG` comes back. */
const answersPing = (port: number, timeoutMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answered: boolean): void => {
      resolve(answered);
      socket.destroy();
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.once('error', () => finish(false));
    socket.on('data', (bytes) => {
      if (bytes.toString().includes('PONG')) finish(true);
    });
    socket.write('CONNECT {"verbose":false}\r\nPING\r\n');
  });

describe('startNatsServer', () => {
  test('starts a server with JetStream that answers on loopback', async () => {
    const server = await start({ monitor: true, syncInterval: 'always' });
    expect(await answersPing(server.port, 5_000)).toBe(true);
    const response = await fetch(`${server.monitorUrl}/jsz`);
    expect(await response.json()).toMatchObject({ config: { sync_always: true } });
  });

  test('a killed server comes back on the same port as another process', async () => {
    const server = await start();
    const { pid, port } = server;
    await server.kill();
    expect(isAlive(pid)).toBe(false);
    expect(await answersPing(port, 1_000)).toBe(false);
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await answersPing(port, 5_000)).toBe(true);
  });

  test('a paused server is silent until it is resumed', async () => {
    const server = await start();
    await server.pause();
    expect(await answersPing(server.port, 100)).toBe(false);
    server.resume();
    expect(await waitFor(() => answersPing(server.port, 500), { what: 'PONG after resume' })).toBe(true);
  });

  test('stopping a paused server ends it', async () => {
    const server = await start();
    await server.pause();
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
  });

  test('a server that cannot start fails with its log', async () => {
    await expect(start({ config: 'nonsense {' })).rejects.toThrow(/exited before it was ready/);
  });
});
