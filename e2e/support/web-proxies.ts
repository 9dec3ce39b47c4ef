import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from '@jest/globals';
import { startChild, waitFor } from '@sluice/testkit';
import type { Certificate } from './certificates.ts';

export type WebProxyName = 'nginx' | 'haproxy';

/** A line of the shipped configuration and what a test puts in its place. */
export type Replacement = readonly [from: string, to: string];

export type WebProxyOptions = {
  /** each edge's public and admin port */
  readonly edges: readonly { readonly port: number; readonly adminPort: number }[];
  readonly replace?: readonly Replacement[];
  /** over TLS, by the lines that the configuration has for it as comments */
  readonly tls?: Certificate;
  /** in front of every path, where `replace` says so */
  readonly prefix?: string;
};

export type WebProxy = {
  readonly url: string;
  /** Has it read its configuration again, as `systemctl reload` does; resolves when new processes serve. */
  reload(): Promise<void>;
  close(): Promise<void>;
};

const ROOT = join(import.meta.dirname, '../..');
const PROGRAMS: Readonly<Record<WebProxyName, readonly string[]>> = {
  nginx: ['/usr/sbin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'],
  haproxy: ['/usr/sbin/haproxy', '/usr/local/bin/haproxy', '/opt/homebrew/bin/haproxy'],
};
export const programOf = (name: WebProxyName): string | undefined =>
  PROGRAMS[name].find((path) => existsSync(path));

const isCi = process.env['CI'] === 'true';

/** A test that is skipped, in so many words, where the proxy is not installed; in CI it fails there. */
export const webProxyTest = (name: WebProxyName): typeof test => {
  if (programOf(name) !== undefined || isCi) return test;
  // A quiet skip would look like a pass.
  console.warn(`SKIPPED: no ${name} found. Install it to test Sluice behind it.`);
  return test.skip as typeof test;
};

/** Starts a proxy with the configuration from `deploy`, but for its ports and what `replace` says. */
export const startWebProxy = async (
  name: WebProxyName,
  { edges, replace = [], prefix = '', tls }: WebProxyOptions,
): Promise<WebProxy> => {
  const program = programOf(name);
  if (program === undefined) throw new Error(`CI needs ${name}; see .ci/run`);
  const folder = await mkdtemp(join(tmpdir(), `sluice-${name}-`));
  const port = await freePort();
  const shipped = name === 'nginx' ? nginxOf(port, edges) : haproxyOf(port, edges);
  const secured = tls === undefined ? undefined : await shipped.tls(tls, folder);
  const text = [...(secured ?? shipped.plain), ...shipped.replace, ...replace].reduce(
    replaced,
    (await Promise.all(shipped.paths.map((path) => readFile(join(ROOT, path), 'utf8')))).join('\n'),
  );
  const file = join(folder, 'proxy.conf');
  await writeFile(file, shipped.wrap(text, folder));
  const child = await startChild(program, shipped.flags(file, folder));
  const url = `http${tls === undefined ? '' : 's'}://127.0.0.1:${port}${prefix}`;
  const isUp = async (): Promise<boolean> =>
    tls === undefined ? (await fetch(`${url}/v1/models`)).status === 401 : await takesConnections(port);
  try {
    await waitFor(() => isUp().catch(() => false), {
      what: `${name} to pass requests on`,
      timeoutMs: 15_000,
    });
  } catch (error) {
    await child.kill();
    throw new Error(`${name} did not start:\n${child.output()}`, { cause: error });
  }
  return {
    url,
    reload: async () => {
      const before = await childrenOf(child.pid);
      child.signal(shipped.reload);
      const isNew = async (): Promise<boolean> =>
        (await childrenOf(child.pid)).some((pid) => !before.includes(pid));
      await waitFor(isNew, { what: `a new process of ${name}`, timeoutMs: 10_000 });
    },
    close: async () => {
      // Both end their workers on SIGTERM; SIGKILL would leave nginx's behind.
      await child.kill('SIGTERM', 10_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
};

type Shipped = {
  /** read one after the other */
  readonly paths: readonly string[];
  readonly plain: readonly Replacement[];
  readonly replace: readonly Replacement[];
  /** in place of `plain`: what makes the lines in comments count, for a certificate of the test's */
  readonly tls: (certificate: Certificate, folder: string) => Promise<readonly Replacement[]>;
  readonly wrap: (text: string, folder: string) => string;
  readonly flags: (file: string, folder: string) => string[];
  /** has the first process start others with the configuration as it is now, and lets the old ones finish */
  readonly reload: NodeJS.Signals;
};

const nginxOf = (port: number, edges: WebProxyOptions['edges']): Shipped => ({
  paths: ['deploy/nginx/edges.conf', 'deploy/nginx/sluice.conf'],
  plain: [['listen 80;', `listen 127.0.0.1:${port};`]],
  replace: [
    [
      'server 127.0.0.1:8080 max_fails=0;',
      edges.map((edge) => `server 127.0.0.1:${edge.port} max_fails=0;`).join('\n'),
    ],
  ],
  tls: ({ certificate, key }) =>
    Promise.resolve([
      ['listen 80;', ''],
      ['# listen 443 ssl http2;', `listen 127.0.0.1:${port} ssl http2;`],
      ['# ssl_certificate /etc/sluice/tls.crt;', `ssl_certificate ${certificate};`],
      ['# ssl_certificate_key /etc/sluice/tls.key;', `ssl_certificate_key ${key};`],
    ]),
  wrap: (text, folder) =>
    `daemon off; pid ${folder}/pid; error_log stderr; worker_processes 1; events { worker_connections 4096; }\n` +
    `http { access_log off; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}\n${text}}`,
  flags: (file, folder) => ['-c', file, '-p', folder, '-e', 'stderr'],
  reload: 'SIGHUP',
});

const haproxyOf = (port: number, edges: WebProxyOptions['edges']): Shipped => ({
  paths: ['deploy/haproxy/haproxy.cfg'],
  plain: [['bind :80', `bind 127.0.0.1:${port}`]],
  replace: [
    [
      'server edge1 127.0.0.1:8080 check port 9090',
      edges
        .map((edge, index) => `server edge${index + 1} 127.0.0.1:${edge.port} check port ${edge.adminPort}`)
        .join(' inter 1s fall 2 rise 1\n'),
    ],
  ],
  tls: async ({ certificate, key }, folder) => {
    const pem = join(folder, 'sluice.pem');
    await writeFile(pem, (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8')));
    return [
      ['bind :80', ''],
      ['# bind :443 ssl crt /etc/haproxy/sluice.pem', `bind 127.0.0.1:${port} ssl crt ${pem}`],
    ];
  },
  wrap: (text) => text,
  // -W as in Debian's unit: the first process only looks after those that serve.
  flags: (file) => ['-W', '-db', '-f', file],
  reload: 'SIGUSR2',
});

/** The processes that a process has started. */
const childrenOf = async (pid: number): Promise<readonly string[]> => {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  return stdout.split('\n').flatMap((line) => {
    const [child = '', parent] = line.trim().split(/\s+/);
    return parent === String(pid) ? [child] : [];
  });
};

/** @throws Error when the shipped configuration does not say what is to be replaced */
const replaced = (text: string, [from, to]: Replacement): string => {
  if (!text.includes(from)) throw new Error(`expected the shipped configuration to say: ${from}`);
  return text.replaceAll(from, () => to);
};

const takesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });

/** Neither proxy can be asked for a free port of its own and tell which one it got. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
