import { fileURLToPath } from 'node:url';
import {
  mintToken,
  NO_QUOTAS_ENV,
  readyMessage,
  startChild,
  startNatsServer,
  TEST_SECRET,
} from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import type { EdgeTarget } from './clients/wire.ts';

export type EdgeProcess = {
  readonly pid: number;
  readonly target: EdgeTarget;
  readonly adminUrl: string;
  close(): Promise<void>;
};

/** nats-server, workers and edges, each a process of its own, as they run in production. */
export type System = {
  readonly natsUrl: string;
  readonly natsPid: number;
  /** NATS's own account of what it stores */
  readonly natsMonitorUrl: string;
  /** the folder with all that NATS stores */
  readonly natsStoreDir: string;
  /** of the first worker */
  readonly workerPid: number;
  addEdge(): Promise<EdgeProcess>;
  close(): Promise<void>;
};

export type SystemOptions = {
  /** folder for V8 CPU profiles of edges and worker; none are taken without */
  readonly profileDir?: string;
  /** default 1 */
  readonly workers?: number;
  /** settings of edges and workers */
  readonly env?: Readonly<Record<string, string>>;
};

const SERVICES = new URL('../..', import.meta.url);
/** The workers' engine is simulated: what carries the tokens is measured, not what makes them. */
const MAINS = { edge: 'edge/src/main.ts', worker: 'cli/src/demo-worker/main.ts' } as const;
/** What one machine may do at once is not what is measured here. */
const LIMITS = {
  SLUICE_EDGE_MAX_CONNECTIONS: '50000',
  ...NO_QUOTAS_ENV,
  SLUICE_EDGE_MAX_FRAMES_PER_SECOND: '10000',
  SLUICE_WORKER_SLOTS: '5000',
};

type ServiceOptions = {
  readonly env: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
};

const startService = async (
  name: keyof typeof MAINS,
  { env, flags = [] }: ServiceOptions,
): Promise<Child> => {
  const script = fileURLToPath(new URL(MAINS[name], SERVICES));
  // The same Node flags as this process, hence sources or built files alike.
  return startChild(process.execPath, [...flags, ...process.execArgv, script], {
    cwd: fileURLToPath(SERVICES),
    env: { ...LIMITS, SLUICE_LOG_LEVEL: 'warn', ...env },
  });
};

const addressOf = (message: Record<string, unknown>, field: string): string => {
  const address = message[field];
  if (typeof address !== 'string') throw new Error(`ready line: expected a string in ${field}`);
  return address;
};

export const startSystem = async (options: SystemOptions = {}): Promise<System> => {
  const { profileDir, workers: count = 1, env = {} } = options;
  const nats = await startNatsServer({ monitor: true });
  const flags = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  // A profile is written at a regular exit only.
  const ending = profileDir === undefined ? 'SIGKILL' : 'SIGTERM';
  const common = { ...env, SLUICE_NATS_URL: nats.url };
  const startWorker = async (): Promise<Child> => {
    const worker = await startService('worker', { env: { ...common, SLUICE_WORKER_ADMIN_PORT: '0' }, flags });
    await readyMessage(worker);
    return worker;
  };
  const worker = await startWorker();
  const workers = [worker, ...(await Promise.all(Array.from({ length: count - 1 }, startWorker)))];
  const edges = new Set<EdgeProcess>();
  const token = mintToken({ org: 'bench', user: 'loadgen', ttlS: 86_400 });
  const addEdge = async (): Promise<EdgeProcess> => {
    const child = await startService('edge', {
      env: {
        ...common,
        SLUICE_EDGE_PORT: '0',
        SLUICE_EDGE_ADMIN_PORT: '0',
        SLUICE_JWT_SECRET: TEST_SECRET,
      },
      flags,
    });
    const message = await readyMessage(child);
    const edge: EdgeProcess = {
      pid: child.pid,
      target: { kind: 'edge', port: Number(new URL(addressOf(message, 'url')).port), token },
      adminUrl: addressOf(message, 'admin'),
      close: async () => {
        edges.delete(edge);
        await child.kill(ending, 60_000);
      },
    };
    edges.add(edge);
    return edge;
  };
  return {
    natsUrl: nats.url,
    natsPid: nats.pid,
    natsMonitorUrl: nats.monitorUrl ?? '',
    natsStoreDir: nats.storeDir,
    workerPid: worker.pid,
    addEdge,
    close: async () => {
      for (const edge of edges) await edge.close();
      await Promise.all(workers.map((child) => child.kill(ending, 60_000)));
      await nats.stop();
    },
  };
};
