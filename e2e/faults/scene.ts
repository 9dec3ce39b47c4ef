import { createMemoryBus, createMemoryHub } from '@sluice/bus';
import type { Bus, MemoryHub } from '@sluice/bus';
import { createEdge } from '@sluice/edge';
import type { Edge } from '@sluice/edge';
import type { ConnectOptions, Generation } from '@sluice/client';
import { parseRecord } from '@sluice/protocol';
import type { Position } from '@sluice/protocol';
import { keptParserOf, storedItemSchema } from '@sluice/protocol/schema';
import { silentLogger } from '@sluice/runtime';
import { NO_QUOTAS, WaitTimeoutError, withTimeout } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { createWorker } from '@sluice/worker';
import type { Worker } from '@sluice/worker';
import { recordedClient, tokenFor } from '../support/clients.ts';
import type { RecordedClient } from '../support/clients.ts';
import type { RecordedSocket } from '../support/recording.ts';
import { SECRET } from '../support/system.ts';
import { watermarkOf } from './history.ts';
import type { History } from './history.ts';
import { attachmentsOf } from './load.ts';
import { witnessed } from './mutants.ts';

/** `sockets`: of a `WebSocket` that records by itself. */
export type AuthorOptions = Pick<Partial<ConnectOptions>, 'WebSocket'> & {
  readonly org?: string;
  readonly sockets?: readonly RecordedSocket[];
};

export type Wrap = (bus: Bus) => Bus;

const SESSION = 's';
const GENERATION = 'g';

const parseItem = keptParserOf(storedItemSchema);

const chunkOf = (subject: string): number => Number(subject.slice(subject.lastIndexOf('.') + 1));

/** A small system in this process, on the memory bus, whose parts can be given a bus that lies to them. */
export class Scene {
  readonly hub: MemoryHub = createMemoryHub();
  readonly #told: Position[] = [];
  readonly #viewers: { readonly org: string; readonly name: string; readonly client: RecordedClient }[] = [];
  readonly #handles: Generation[] = [];
  readonly #closers: (() => unknown)[] = [];
  readonly #accepted = new Set<string>();
  readonly workers: Worker[] = [];

  async addEdge(wrap: Wrap = (bus) => bus): Promise<Edge> {
    const edge = await createEdge(
      {
        ...{ name: `edge-${this.#closers.length}`, host: '127.0.0.1', port: 0, jwtSecret: SECRET },
        ...{ jwtPublicKey: undefined, jwksUrl: undefined, jwksRefreshMs: 300_000 },
        ...{ jwtIssuer: undefined, jwtAudience: undefined, jwtMaxAgeS: undefined },
        ...{ allowedOrigins: [], defaultModel: undefined, modelsFromZero: [], maxConnections: 100 },
        ...{ maxStrangers: 100, maxStrangersPerAddress: 100, strangerRequestsPerMinute: 100_000 },
        ...{ trustedProxies: [], addressHeader: 'x-forwarded-for', signalBytesPerSecond: 1024 * 1024 },
        ...{ ...NO_QUOTAS, requestsPerSecond: 1_000, maxFramesPerSecond: 1_000 },
        ...{ maxSessionsPerConnection: 64, maxStreamAgeMs: 900_000 },
        ...{ maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 },
        ...{ heartbeatMs: 20_000, lingerMs: 30_000, tombstoneMs: 60_000, webDir: undefined },
        ...{ maxPromptBytes: 16_777_216, maxFrameBytes: 1_048_576, maxLargeBytes: 134_217_728 },
        ...{ operatorOrg: undefined, tokenPrice: undefined, webConnect: [] },
        ...{ upstreamParams: [], upstreamUrlHosts: [], maxTokens: undefined },
        placement: true,
      },
      { bus: wrap(createMemoryBus(this.hub)), logger: silentLogger },
    );
    this.#closers.push(() => edge.close());
    return edge;
  }

  async addWorker(tokensPerSecond: number, wrap: Wrap = (bus) => bus): Promise<Worker> {
    const engine = new SimulatedEngine({ tokensPerSecond, ttftMs: 10, source: 'ngram' });
    const bus = witnessed(wrap(createMemoryBus(this.hub)), this.#told);
    const worker = await createWorker(
      {
        name: `worker-${this.#closers.length}`,
        slots: 10,
        models: await engine.models(AbortSignal.timeout(1_000)),
      },
      { bus, engine, logger: silentLogger },
    );
    this.workers.push(worker);
    // The engine first: a mutant's run may never end by itself.
    this.#closers.push(async () => {
      await engine.close();
      await withTimeout(worker.close(), 2_000, 'the worker to close').catch(() => undefined);
    });
    return worker;
  }

  /** A viewer that asks. */
  author(url: string, tokens: number, options: AuthorOptions = {}): Generation {
    const { org = 'acme', ...rest } = options;
    const { client } = this.#view(url, org, rest);
    const watermark = watermarkOf({ org, session: SESSION, generation: GENERATION });
    const params = { simulated: { tokens, watermark } };
    const handle = client.client.session(SESSION).prompt({ generation: GENERATION, input: 'go', params });
    handle.accepted.then(
      () => this.#accepted.add(org),
      () => undefined,
    );
    this.#handles.push(handle);
    return handle;
  }

  /** A viewer that only watches. */
  watcher(url: string, org = 'acme'): Generation {
    const handle = this.#view(url, org, {}).client.client.session(SESSION).generation(GENERATION);
    this.#handles.push(handle);
    return handle;
  }

  /** Waits until every viewer has its end, or `deadlineMs` at most: what is missing then is judged. */
  async settle(deadlineMs: number): Promise<void> {
    const ends = Promise.allSettled(this.#handles.map((handle) => handle.end));
    try {
      await withTimeout(ends, deadlineMs, 'every viewer to have its end');
    } catch (error) {
      if (!(error instanceof WaitTimeoutError)) throw error;
    }
  }

  histories(orgs: readonly string[] = ['acme']): History[] {
    return orgs.map((org) => {
      const path = `${org}.${SESSION}.${GENERATION}`;
      const stored = this.hub.items.get(path);
      const item = stored && parseItem(stored.text);
      return {
        ...{ org, session: SESSION, generation: GENERATION, accepted: this.#accepted.has(org) },
        log: this.hub.log.flatMap(({ subject, text }, index) =>
          subject.includes(`.${path}.`)
            ? { sequence: index + 1, chunk: chunkOf(subject), record: parseRecord(text) }
            : [],
        ),
        item: item?.kind === 'generation' ? item : undefined,
        acked: orgs.length > 1 ? [] : [...this.#told],
        viewers: this.#viewers
          .filter((viewer) => viewer.org === org)
          .map(({ name, client }) => ({
            name,
            mustFinish: true,
            connections: client.sockets.flatMap((socket) => attachmentsOf(socket, SESSION, GENERATION)),
          })),
      };
    });
  }

  async close(): Promise<void> {
    for (const { client } of this.#viewers) await client.client.close();
    for (const close of this.#closers.toReversed()) await close();
  }

  #view(url: string, org: string, options: AuthorOptions): { client: RecordedClient } {
    const name = `${org}/u-${this.#viewers.length}`;
    const { WebSocket, sockets } = options;
    const token = tokenFor(`u-${this.#viewers.length}`, org);
    const recorded = recordedClient(url, name, { token, ...(WebSocket && { WebSocket }) });
    const client = sockets === undefined ? recorded : { ...recorded, sockets };
    this.#viewers.push({ org, name, client });
    return { client };
  }
}

export const socketUrl = ({ port }: { readonly port: number }): string => `ws://127.0.0.1:${port}/v1/ws`;
