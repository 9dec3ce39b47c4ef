import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';
import { freePort, startNatsServer } from '@sluice/testkit';
import { spawnEdge, spawnWorker } from './support/processes.ts';

type Service = 'edge' | 'worker';
type Spawn = (natsUrl: string, env: Record<string, string>) => Promise<unknown>;

const SPAWN: Readonly<Record<Service, Spawn>> = { edge: spawnEdge, worker: spawnWorker };
const ADMIN_PORT = { edge: 'SLUICE_EDGE_ADMIN_PORT', worker: 'SLUICE_WORKER_ADMIN_PORT' } as const;

/** How the process ended and all that it wrote, log lines left out. */
const endOf = async (spawn: Promise<unknown>): Promise<string> => {
  const { message } = await spawn.then(
    () => new Error('it started'),
    (error: Error) => error,
  );
  const [how = '', ...lines] = message.split('\n');
  const written = lines.filter((line) => line !== '' && !line.startsWith('{'));
  return [how.slice(how.lastIndexOf('exited')), ...written].join('\n');
};

describe.each(['edge', 'worker'] as const)('what keeps the %s from starting is one line', (service) => {
  const spawn = SPAWN[service];
  const begin = `exited with 1\nsluice ${service} cannot start: `;

  test('a setting that is refused', async () => {
    const env = { [ADMIN_PORT[service]]: 'many' };
    expect(await endOf(spawn('nats://127.0.0.1:1', env))).toBe(
      `${begin}invalid configuration, 1 problem(s): ${ADMIN_PORT[service]}: expected integer 0..65535, got "many"`,
    );
  });

  test('a NATS that does not answer', async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    expect(await endOf(spawn(url, {}))).toBe(
      `${begin}NATS at ${url}: expected an answer within 10 s, got connection refused; ` +
        'see that NATS runs and has its leaders, or set SLUICE_NATS_URL to where it is',
    );
  }, 30_000);

  test('a port in use', async () => {
    const nats = await startNatsServer();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      expect(await endOf(spawn(nats.url, { [ADMIN_PORT[service]]: `${port}` }))).toBe(
        `${begin}127.0.0.1:${port}: expected an address that is free to listen on, got EADDRINUSE; ` +
          'end what listens there, or set another port',
      );
      // Or edges would go on placing jobs with a worker that could not start.
      const bus = await createNatsBus({ url: nats.url, name: 'start' });
      expect(await bus.workers.list()).toEqual([]);
      await bus.close();
    } finally {
      taken.close();
      await nats.stop();
    }
  }, 30_000);
});
