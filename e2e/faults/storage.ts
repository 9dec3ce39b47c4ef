import { startNatsCluster, startNatsServer } from '@sluice/testkit';
import type { NatsCluster, NatsServer } from '@sluice/testkit';
import { Wires } from './wires.ts';

/** One NATS server that syncs every write, or three that replicate. */
export type StorageKind = 'R1' | 'R3';

export type Storage = {
  readonly replicas: 1 | 3;
  readonly servers: readonly NatsServer[];
  /** of all servers, for the test's own connections */
  readonly url: string;
  /** undefined on R1 */
  readonly cluster: NatsCluster | undefined;
  readonly wires: Wires;
  stop(): Promise<void>;
};

/** A server asked to go hands over its leaderships and sends its clients away; the shortest NATS allows. */
const LAME_DUCK = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "2s"';

export const openStorage = async (kind: StorageKind): Promise<Storage> => {
  const cluster = kind === 'R3' ? await startNatsCluster(3, { config: LAME_DUCK }) : undefined;
  const servers = cluster?.servers ?? [await startNatsServer({ syncInterval: 'always' })];
  const wires = new Wires(servers);
  return {
    replicas: kind === 'R3' ? 3 : 1,
    servers,
    url: servers.map(({ url }) => url).join(','),
    cluster,
    wires,
    stop: async () => {
      await wires.close();
      await (cluster ?? servers[0])?.stop();
    },
  };
};
