import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startNatsCluster, waitFor } from '@sluice/testkit';
import type { NatsCluster } from '@sluice/testkit';
import { createNatsBus } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import { newKey } from './world.ts';
import { writeTokens } from './writing.ts';

let cluster: NatsCluster;
/** index of the server that is cut off: a leader would take longer to see that it leads nobody */
let cutOff: number;
const buses: Bus[] = [];
beforeAll(async () => {
  cluster = await startNatsCluster(3);
  const leader = await cluster.metaLeader();
  cutOff = cluster.servers.findIndex((server) => server !== leader);
}, 60_000);
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  await cluster.stop();
}, 30_000);

/** Names of the clients that a server has. */
const clientsOf = async (server: number): Promise<readonly string[]> => {
  const response = await fetch(`${cluster.servers[server]?.monitorUrl}/connz`);
  const { connections } = (await response.json()) as { connections: readonly { name?: string }[] };
  return connections.map(({ name = '' }) => name);
};

/** Which server the library picks is its own choice: opens until it was the one that is to be cut off. */
const openThere = async (): Promise<{ bus: Bus; name: string }> => {
  for (let n = 0; ; n += 1) {
    const name = `bus-${n}`;
    const bus = await createNatsBus({ url: cluster.urls.join(','), name, replicas: 3 });
    buses.push(bus);
    if ((await clientsOf(cutOff)).includes(name)) return { bus, name };
  }
};

test('who is connected to a server that is cut off from the others goes to one that is not', async () => {
  const { bus, name } = await openThere();
  await writeTokens(bus.tokens, newKey(), ['before']);
  cluster.network.isolate(cutOff);
  try {
    await waitFor(async () => !(await clientsOf(cutOff)).includes(name), {
      what: 'the bus to leave',
      timeoutMs: 45_000,
    });
    expect(await writeTokens(bus.tokens, newKey(), ['after'])).toMatchObject({ fenced: false });
    expect(await clientsOf(cutOff)).not.toContain(name);
  } finally {
    cluster.network.heal();
  }
}, 90_000);
