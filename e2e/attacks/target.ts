import { startNatsServer } from '@sluice/testkit';
import type { Child, NatsServer } from '@sluice/testkit';
import { spawnEdge, spawnWorker } from '../support/processes.ts';
import type { EdgeProcess } from '../support/processes.ts';

type Variables = Record<string, string | undefined>;

/** What is attacked: each part in a process of its own, so that the attacker's work is not counted as theirs. */
export type Target = {
  readonly nats: NatsServer;
  /** @param env over the generous limits of `spawnEdge`; undefined leaves a setting its default */
  addEdge(env?: Variables): Promise<EdgeProcess>;
  addWorker(env?: Variables): Promise<Child>;
  close(): Promise<void>;
};

export const startTarget = async (): Promise<Target> => {
  const nats = await startNatsServer();
  const children: Child[] = [];
  return {
    nats,
    addEdge: async (env = {}) => {
      const edge = await spawnEdge(nats.url, env);
      children.push(edge.child);
      return edge;
    },
    addWorker: async (env = {}) => {
      const worker = await spawnWorker(nats.url, env);
      children.push(worker);
      return worker;
    },
    close: async () => {
      await Promise.all(children.map((child) => child.kill('SIGTERM')));
      await nats.stop();
    },
  };
};
