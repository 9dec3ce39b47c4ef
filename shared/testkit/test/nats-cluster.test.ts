import { expect, test } from '@jest/globals';
import { startNatsCluster } from '../src/index.ts';

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
