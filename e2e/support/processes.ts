import { fileURLToPath } from 'node:url';
import { NO_QUOTAS_ENV, readyMessage, spawnNode } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { SECRET } from './system.ts';

const pathOf = (main: string): string => fileURLToPath(new URL(`../../services/${main}`, import.meta.url));

export const EDGE_MAIN = pathOf('edge/src/main.ts');
const WORKER_MAIN = pathOf('worker/src/main.ts');
/** A worker with the simulated engine. */
export const DEMO_WORKER_MAIN = pathOf('cli/src/demo-worker/main.ts');

/** One that is not ready in time is ended: nobody else would. */
const readyOf = async (child: Child): Promise<unknown> => {
  try {
    return await readyMessage(child, 20_000);
  } catch (error) {
    await child.kill();
    throw error;
  }
};

export type EdgeProcess = {
  readonly child: Child;
  readonly port: number;
  readonly url: string;
  /** address of its admin port */
  readonly admin: string;
};

/**
 * An edge in a process of its own, to be killed.
 * @param env over the settings of a test, whose limits are generous; undefined leaves a setting its default
 */
export const spawnEdge = async (
  natsUrl: string,
  env: Record<string, string | undefined> = {},
): Promise<EdgeProcess> => {
  const child = await spawnNode(EDGE_MAIN, [], {
    env: {
      SLUICE_NATS_URL: natsUrl,
      SLUICE_JWT_SECRET: SECRET,
      SLUICE_EDGE_PORT: '0',
      SLUICE_EDGE_ADMIN_PORT: '0',
      ...NO_QUOTAS_ENV,
      SLUICE_EDGE_REQUESTS_PER_SECOND: '10000',
      ...env,
    },
  });
  const { url, admin } = (await readyOf(child)) as { url: string; admin: string };
  return { child, url, admin, port: Number(new URL(url).port) };
};

type Variables = Record<string, string | undefined>;

/** A worker with the simulated engine in a process of its own, to be killed. */
export const spawnWorker = (natsUrl: string, env: Variables = {}): Promise<Child> =>
  spawnReady(DEMO_WORKER_MAIN, natsUrl, env);

/** The worker as it runs in production. */
export const spawnProductionWorker = (natsUrl: string, env: Variables = {}): Promise<Child> =>
  spawnReady(WORKER_MAIN, natsUrl, env);

export type WorkerProcess = { readonly child: Child; readonly admin: string };

/** The same, and where its admin port is. */
export const spawnAdministeredWorker = (natsUrl: string, env: Variables = {}): Promise<WorkerProcess> =>
  spawnWith(WORKER_MAIN, natsUrl, env);

/** A worker with the simulated engine, and where its admin port is. */
export const spawnAdministeredDemoWorker = (natsUrl: string, env: Variables = {}): Promise<WorkerProcess> =>
  spawnWith(DEMO_WORKER_MAIN, natsUrl, env);

const spawnWith = async (main: string, natsUrl: string, env: Variables): Promise<WorkerProcess> => {
  const child = await spawnNode(main, [], {
    env: { SLUICE_NATS_URL: natsUrl, SLUICE_WORKER_ADMIN_PORT: '0', ...env },
  });
  const { admin } = (await readyOf(child)) as { admin: string };
  return { child, admin };
};

const spawnReady = async (main: string, natsUrl: string, env: Variables): Promise<Child> =>
  (await spawnWith(main, natsUrl, env)).child;
