import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { startNatsCluster, waitFor } from '@sluice/testkit';
import type { NatsCluster } from '@sluice/testkit';
import { openAuthority } from '../support/certificates.ts';
import { spawnAdministeredDemoWorker, spawnEdge } from '../support/processes.ts';
import type { EdgeProcess, WorkerProcess } from '../support/processes.ts';
import { credentials, makeStreams, passwordOf, SHIPPED_USERS } from '../support/shipped-users.ts';
import { freePort, startWebProxy } from '../support/web-proxies.ts';
import type { WebProxy } from '../support/web-proxies.ts';

/** A server asked to go hands over its leaderships and sends its clients away; the shortest NATS allows. */
const LAME_DUCK = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "2s"';
const REPLICAS = 3;
const EXIT_MS = 40_000;

/** A place whose process may be replaced; its ports stay, as behind a service or a unit. */
type Place<Process> = { readonly ports: Readonly<Record<string, string>>; process: Process };

/** What an operator runs: three NATS with TLS and users, two edges behind nginx and HAProxy, two workers. */
export class Site {
  readonly edges: Place<EdgeProcess>[] = [];
  readonly workers: Place<WorkerProcess>[] = [];
  readonly proxies: WebProxy[] = [];
  readonly #closers: (() => Promise<unknown>)[] = [];
  #nats: NatsCluster | undefined;
  #natsUrl = '';
  #ca = '';

  /** @throws Error when a part does not come up; {@link close} then ends what did */
  async open(tokensPerSecond: number): Promise<void> {
    const authority = await openAuthority();
    this.#own(() => authority.close());
    this.#ca = authority.ca;
    const { certificate, key } = await authority.issue('nats', 'IP:127.0.0.1');
    const files = `cert_file: "${certificate}", key_file: "${key}", ca_file: "${authority.ca}"`;
    // As in deploy/nats/cluster-tls.conf: nodes show each other a certificate, clients a password.
    const nats = await startNatsCluster(REPLICAS, {
      config: `tls { ${files} }\n${LAME_DUCK}\n${SHIPPED_USERS}`,
      routes: `tls { ${files}, verify: true }`,
    });
    this.#own(() => nats.stop());
    this.#nats = nats;
    this.#natsUrl = nats.servers.map(({ port }) => `tls://127.0.0.1:${port}`).join(',');
    // The leader refuses three copies until it has heard of all servers, which are healthy earlier.
    const made = (): Promise<boolean> =>
      makeStreams(this.#natsUrl, { replicas: REPLICAS, files: { ca: this.#ca } }).then(
        () => true,
        (error: unknown) => {
          if (String(error).includes('no suitable peers')) return false;
          throw error;
        },
      );
    await waitFor(made, { what: 'room for three copies of each stream', timeoutMs: 20_000 });
    for (let n = 0; n < 2; n += 1) {
      const [port, adminPort] = [await freePort(), await freePort()];
      const edgePorts = { SLUICE_EDGE_PORT: String(port), SLUICE_EDGE_ADMIN_PORT: String(adminPort) };
      const speed = { SLUICE_SIMULATED_TOKENS_PER_SECOND: String(tokensPerSecond) };
      const workerPorts = { SLUICE_WORKER_ADMIN_PORT: String(await freePort()), ...speed };
      this.edges.push({ ports: edgePorts, process: await this.#edge(edgePorts) });
      this.workers.push({ ports: workerPorts, process: await this.#worker(workerPorts) });
    }
    // Whatever a place has by then.
    this.#own(() =>
      Promise.all([...this.edges, ...this.workers].map(({ process: { child } }) => child.kill())),
    );
    const edges = this.edges.map(({ process: { port, admin } }) => ({
      port,
      adminPort: Number(new URL(admin).port),
    }));
    for (const name of ['nginx', 'haproxy'] as const) {
      const proxy = await startWebProxy(name, { edges });
      this.proxies.push(proxy);
      this.#own(() => proxy.close());
    }
  }

  /** What the log stores, read as an edge may read it. */
  async bus(): Promise<Bus> {
    const login = { user: 'edge', password: passwordOf('edge'), files: { ca: this.#ca } };
    const bus = await createNatsBus({ url: this.#natsUrl, name: 'rolling', replicas: REPLICAS, ...login });
    this.#own(() => bus.close());
    return bus;
  }

  /** Each step of a rolling restart, by its name. A step resolves when the part is ready again. */
  get steps(): readonly (readonly [name: string, step: () => Promise<void>])[] {
    return [
      ...this.edges.map((place, n) => [`edge ${n + 1}`, () => this.#again(place, this.#edge)] as const),
      ...this.workers.map((place, n) => [`worker ${n + 1}`, () => this.#again(place, this.#worker)] as const),
      ...['nginx', 'haproxy'].map((name, n) => [name, async () => this.proxies[n]?.reload()] as const),
      ...(this.#nats?.servers ?? []).map(
        (server, n) =>
          [
            `nats ${n + 1}`,
            async () => {
              await server.kill('SIGUSR2', EXIT_MS);
              await server.restart();
              await this.#nats?.healthy();
            },
          ] as const,
      ),
    ];
  }

  async close(): Promise<void> {
    // Whatever one of them says, the next ones are ended too.
    for (const close of this.#closers.splice(0).toReversed())
      await close().catch((error: unknown) => console.error(error));
  }

  #own(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  #settings(user: string): Record<string, string> {
    return { ...credentials(user), SLUICE_NATS_CA_FILE: this.#ca, SLUICE_NATS_REPLICAS: String(REPLICAS) };
  }

  // All viewers come from one address here.
  readonly #edge = (ports: Place<EdgeProcess>['ports']): Promise<EdgeProcess> =>
    spawnEdge(this.#natsUrl, {
      ...{ ...this.#settings('edge'), ...ports },
      ...{ SLUICE_EDGE_MAX_STRANGERS: '5000', SLUICE_EDGE_MAX_STRANGERS_PER_ADDRESS: '5000' },
    });

  readonly #worker = (ports: Place<WorkerProcess>['ports']): Promise<WorkerProcess> =>
    spawnAdministeredDemoWorker(this.#natsUrl, {
      ...{ ...this.#settings('worker'), ...ports },
      ...{ SLUICE_WORKER_SLOTS: '100', SLUICE_SIMULATED_PREFILL_TOKENS_PER_SECOND: '100000' },
    });

  async #again<Process extends { readonly child: EdgeProcess['child'] }>(
    place: Place<Process>,
    spawn: (ports: Place<Process>['ports']) => Promise<Process>,
  ): Promise<void> {
    const { code } = await place.process.child.kill('SIGTERM', EXIT_MS);
    if (code !== 0) throw new Error(`expected exit code 0, got ${code}: ${place.process.child.output()}`);
    place.process = await spawn(place.ports);
  }
}
