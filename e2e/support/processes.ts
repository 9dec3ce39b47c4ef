import { fileURLToPath } from 'node:url';
import { readyMessage, spawnNode } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { SECRET } from './system.ts';

const pathOf = (service: string): string =>
  fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url));

export type EdgeProcess = { readonly child: Child; readonly port: number; readonly url: string };

/**
 * An edge in a process of its own, to be killed.
 * @param env over the settings of a test, whose limits are generous; undefined leaves a setting its default
 */
export const spawnEdge = async (
  natsUrl: string,
  env: Record<string, string | undefined> = {},
): Promise<EdgeProcess> => {
  const child = await spawnNode(pathOf('edge'), [], {
    env: {
      SLUICE_NATS_URL: natsUrl,
      SLUICE_JWT_SECRET: SECRET,
      SLUICE_EDGE_PORT: '0',
      SLUICE_EDGE_ADMIN_PORT: '0',
      SLUICE_EDGE_MAX_CONNECTIONS_PER_USER: '10000',
      SLUICE_EDGE_PROMPTS_PER_MINUTE: '100000',
      SLUICE_EDGE_REQUESTS_PER_SECOND: '10000',
      ...env,
    },
  });
  const { url } = (await readyMessage(child, 20_000)) as { url: string };
  return { child, url, port: Number(new URL(url).port) };
};

/** A worker with the simulated engine in a process of its own, to be killed. */
export const spawnWorker = async (natsUrl: string, env: Record<string, string> = {}): Promise<Child> => {
  const child = await spawnNode(pathOf('worker'), [], {
    env: { SLUICE_NATS_URL: natsUrl, SLUICE_WORKER_ADMIN_PORT: '0', ...env },
  });
  await readyMessage(child, 20_000);
  return child;
};
