import { randomBytes } from 'node:crypto';
import { CliError } from '../cli-error.ts';
import { webFolder } from '../place.ts';
import { claimNatsPort, startNats } from './embedded-nats.ts';
import type { Guard } from './guard.ts';
import type { KillTargets } from './door.ts';
import type { UpLog } from './log.ts';
import { Part } from './part.ts';
import type { Facts, PartOptions } from './part.ts';
import { preferPorts, requirePort } from './ports.ts';
import { edgePart, workerPart } from './service-part.ts';
import type { WorkerSettings } from './service-part.ts';

export type SystemOptions = Pick<WorkerSettings, 'engine' | 'upstream' | 'model'> & {
  readonly host: string;
  /** of the first edge; the next ones follow; 0: any free ones */
  readonly port: number;
  /** likewise; undefined: 9090 if it is free */
  readonly adminPort: number | undefined;
  /** of the first embedded server; undefined: 4222 if it is free */
  readonly natsPort: number | undefined;
  /** embedded servers: 1, or 3 that form a cluster */
  readonly natsNodes: 1 | 3;
  /** a server that runs already, in place of an embedded one */
  readonly natsUrl: string | undefined;
  readonly edges: number;
  readonly workers: number;
  readonly jwtSecret: string;
  /** folder of the embedded server's store */
  readonly store: string;
  /** whether it may hold what an earlier run left, perhaps of an earlier release */
  readonly isKept: boolean;
  readonly web: boolean;
  /** where the pages may send requests to besides their edge; undefined: nowhere */
  readonly webConnect: string | undefined;
  /** whose admins see the whole system */
  readonly operatorOrg: string;
};

/** Everything that `sluice up` runs. */
export type System = {
  /** of each edge, as a person on this machine reaches it */
  readonly urls: readonly string[];
  readonly admin: string;
  /** servers separated by commas */
  readonly nats: string;
  /** copies of every stream; undefined: as the environment says, on a server that was there before */
  readonly replicas: 1 | 3 | undefined;
  readonly hasWeb: boolean;
  pids(): Readonly<Record<string, number>>;
};

type Tools = { readonly log: UpLog; readonly guard: Guard };

const DEFAULT_ADMIN_PORT = 9_090;
const LOOPBACK = '127.0.0.1';
/**
 * Workers hand back what they run within milliseconds. Edges take seconds to send clients away one by one, for
 * which nobody who pressed Ctrl-C wants to wait: to those clients it is the same as a crash, ms.
 */
const STOP_MS = { services: 1_500, nats: 3_000 } as const;

/** The parts in the order of their start; kept apart from starting, so that a start that fails can be undone. */
export class Parts implements KillTargets {
  readonly #started: Part[] = [];
  #isStopped = false;

  /** @throws CliError when the part ends before it is ready, or everything was stopped */
  async start(options: PartOptions): Promise<Facts> {
    if (this.#isStopped) throw new CliError(`${options.name} was not started: asked to stop`);
    const part = new Part(options);
    this.#started.push(part);
    const startedAt = performance.now();
    const facts = await part.start();
    options.log.event('info', options.name, 'ready', { ms: Math.round(performance.now() - startedAt) });
    return facts;
  }

  pids(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.#started.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid]])),
    );
  }

  serves(origin: string): boolean {
    return this.#started.some(({ facts }) => originOf(facts) === origin);
  }

  killEdge(origin: string): boolean {
    return this.#kill((facts) => originOf(facts) === origin);
  }

  killWorker(name: string): boolean {
    return this.#kill((facts) => facts?.['worker'] === name);
  }

  #kill(is: (facts: Facts | undefined) => boolean): boolean {
    return this.#started.find(({ facts }) => is(facts))?.kill() ?? false;
  }

  /** Services first: they still have things to say to NATS. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const nats = this.#started.filter(({ name }) => /^nats(-\d)?$/.test(name));
    const services = this.#started.filter((part) => !nats.includes(part));
    await Promise.all(services.map((part) => part.stop(STOP_MS.services)));
    await Promise.all(nats.map((part) => part.stop(STOP_MS.nats)));
  }
}

/** Where an edge serves its pages from; undefined for other parts. */
const originOf = (facts: Facts | undefined): string | undefined =>
  facts?.['edge'] === undefined ? undefined : new URL(String(facts['url'])).origin;

const numbered = (count: number, name: string): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);

const nextPort = (first: number, index: number): number => (first === 0 ? 0 : first + index);

/** @throws CliError for the first port that cannot be had */
const claimPorts = async (options: SystemOptions): Promise<{ admin: number; nats: number }> => {
  const { host, port, edges, adminPort, natsPort, natsNodes, natsUrl } = options;
  for (let index = 0; index < edges; index += 1) {
    await requirePort({ host, port: nextPort(port, index), flag: '--port' });
    await requirePort({ host: LOOPBACK, port: nextPort(adminPort ?? 0, index), flag: '--admin-port' });
  }
  return {
    admin: adminPort ?? (edges === 1 ? await preferPorts(LOOPBACK, [DEFAULT_ADMIN_PORT]) : 0),
    nats: natsUrl === undefined ? await claimNatsPort(natsPort, natsNodes) : 0,
  };
};

/** An address that listens on everything is reached by loopback. */
const reachable = (url: unknown): string =>
  String(url as string)
    .replace('//0.0.0.0:', `//${LOOPBACK}:`)
    .replace('//[::]:', '//[::1]:');

/** Services only check: here nobody else is whose settings could be others. What cannot be changed they report. */
const changeStreams = async (natsUrl: string, replicas: 1 | 3): Promise<void> => {
  const { openStreamAdmin } = await import('@sluice/bus');
  const { natsOptions } = await import('../nats-target.ts');
  const admin = await openStreamAdmin(natsOptions({ natsUrl, replicas }, 'sluice-up'));
  try {
    for (const plan of await admin.plans()) if (plan.type === 'changeable') await admin.apply(plan);
  } finally {
    await admin.close();
  }
};

/**
 * Starts everything on this machine and resolves when all of it is ready. The caller stops `parts`, also after
 * a failure.
 * @throws CliError when a port is taken or a part ends before it is ready
 */
export const startSystem = async (options: SystemOptions, parts: Parts, tools: Tools): Promise<System> => {
  const ports = await claimPorts(options);
  const { host, jwtSecret, operatorOrg, webConnect } = options;
  const embedded = { nodes: options.natsNodes, port: ports.nats, store: options.store };
  const natsUrl = options.natsUrl ?? (await startNats(embedded, (part) => parts.start(part), tools));
  const replicas = options.natsUrl === undefined ? options.natsNodes : undefined;
  if (replicas !== undefined && options.isKept) await changeStreams(natsUrl, replicas);
  const webDir = options.web ? webFolder() : undefined;
  // Names are unique among everything on one NATS, and somebody else's server may have an edge-1 already.
  const suffix = options.natsUrl === undefined ? '' : `-${randomBytes(3).toString('hex')}`;
  const edges = numbered(options.edges, 'edge').map((name, index) => {
    const port = nextPort(options.port, index);
    const adminPort = nextPort(ports.admin, index);
    const settings = {
      ...{ host, port, adminPort, natsUrl, replicas, jwtSecret, webDir, webConnect, operatorOrg },
      id: name + suffix,
    };
    return parts.start(edgePart(name, settings, tools));
  });
  const workers = numbered(options.workers, 'worker').map((name) => {
    const { engine, upstream, model } = options;
    const settings = { natsUrl, replicas, engine, upstream, model, id: name + suffix };
    return parts.start(workerPart(name, settings, tools));
  });
  const [facts] = await Promise.all([Promise.all(edges), Promise.all(workers)]);
  return {
    urls: facts.map(({ url }) => reachable(url)),
    admin: String(facts[0]?.['admin']),
    nats: natsUrl,
    replicas,
    hasWeb: webDir !== undefined,
    pids: () => parts.pids(),
  };
};
