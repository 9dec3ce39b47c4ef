import type { World } from '../nemesis.ts';
import { clusterOf, repeat, seconds, untilFlowing } from './row.ts';

/** The stream whose leader is the one to lose. */
export const TOKENS = 'TOKENS';

/** F1: the only NATS dies without a word and is back after 3 s. */
export const killNats =
  (times: number) =>
  (world: World): Promise<void> =>
    repeat(times, async () => {
      const [nats] = world.storage.servers;
      await untilFlowing(world);
      await nats?.kill();
      await seconds(3);
      await nats?.restart();
    });

/** F2: of three NATS the one that leads the token stream dies without a word. */
export const killLeader =
  (times: number) =>
  (world: World): Promise<void> =>
    repeat(times, async () => {
      await untilFlowing(world);
      const leader = await clusterOf(world).streamLeader(TOKENS);
      await leader.kill();
      await untilFlowing(world);
      await leader.restart();
      await clusterOf(world).healthy();
    });

/** F9: edges die without a word, one after the other. */
export const killEdges =
  (times: number) =>
  (world: World): Promise<void> =>
    repeat(times, async (index) => {
      await untilFlowing(world);
      await world.fleet.replaceEdge(index % 2, 'SIGKILL');
    });
