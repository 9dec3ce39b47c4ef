import { expect, test } from '@jest/globals';
import { startNatsCluster, waitFor } from '../src/index.ts';

test('three servers elect a JetStream leader, and another one when it is killed', async () => {
  const cluster = await startNatsCluster(3);
  try {
    expect(new Set(cluster.urls).size).toBe(3);
    const leader = await cluster.metaLeader();
    await leader.kill();
    const next = await cluster.metaLeader();
    expect(next.url).not.toBe(leader.url);
    await leader.restart();
  } finally {
    await cluster.stop();
  }
});

test('a server that is cut off keeps running while the others elect a leader, and follows it when it is back', async () => {
  const cluster = await startNatsCluster(3);
  try {
    const leader = await cluster.metaLeader();
    const { pid } = leader;
    const others = cluster.servers.filter((server) => server !== leader);
    cluster.network.isolate(cluster.servers.indexOf(leader));
    const next = await waitFor(
      async () => {
        const found = await cluster.metaLeader();
        return others.includes(found) && found;
      },
      { what: 'one of the others to lead', timeoutMs: 20_000 },
    );
    expect(others).toContain(next);
    expect(leader.pid).toBe(pid);
    cluster.network.heal();
    await cluster.healthy();
    expect(await cluster.metaLeader()).toBe(next);
  } finally {
    await cluster.stop();
  }
}, 60_000);
