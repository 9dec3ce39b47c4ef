import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';
import { freePort, startNatsServer } from '@sluice/testkit';
import { spawnEdge, spawnProductionWorker } from './support/processes.ts';

type Service = 'edge' | 'worker';
type Spawn = (natsUrl: string, env: Record<string, string | undefined>) => Promise<unknown>;

const ENGINE = { SLUICE_ENGINE: 'openai', SLUICE_UPSTREAM: 'http://127.0.0.1:1/v1', SLUICE_MODEL: 'any' };
const SPAWN: Readonly<Record<Service, Spawn>> = {
  edge: spawnEdge,
  worker: (natsUrl, env) => spawnProductionWorker(natsUrl, { ...ENGINE, ...env }),
};
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

const ENGINE_EXPECTED =
  "SLUICE_ENGINE: expected openai, a server with OpenAI's API (the simulated engine is a part of the demo: run `sluice up`)";

test('a worker without an engine says which settings it needs, all at once', async () => {
  const none = { SLUICE_ENGINE: undefined, SLUICE_UPSTREAM: undefined };
  expect(await endOf(spawnProductionWorker('nats://127.0.0.1:1', none))).toBe(
    'exited with 1\nsluice worker cannot start: invalid configuration, 2 problem(s): ' +
      `${ENGINE_EXPECTED}, got nothing; ` +
      'SLUICE_UPSTREAM: expected the base URL of that server, up to and with /v1, got nothing',
  );
});

test('a worker outside the demo refuses the simulated engine', async () => {
  const env = { ...ENGINE, SLUICE_ENGINE: 'simulated' };
  expect(await endOf(spawnProductionWorker('nats://127.0.0.1:1', env))).toBe(
    `exited with 1\nsluice worker cannot start: invalid configuration, 1 problem(s): ${ENGINE_EXPECTED}, got "simulated"`,
  );
});
