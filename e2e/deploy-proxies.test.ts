/** The configurations of nginx and HAProxy in `deploy`, each read by its program: plain, and with the lines for TLS. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hasOpenssl, openAuthority } from './support/certificates.ts';
import type { Authority, Certificate } from './support/certificates.ts';
import { freePort, programOf, webProxyTest } from './support/web-proxies.ts';
import type { WebProxyName } from './support/web-proxies.ts';

const DEPLOY = join(import.meta.dirname, '../deploy');
const read = (path: string): Promise<string> => readFile(join(DEPLOY, path), 'utf8');

let folder: string;
let authority: Authority | undefined;
let certificate: Certificate | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-proxy-conf-'));
  if (!hasOpenssl) return;
  authority = await openAuthority();
  certificate = await authority.issue('proxy', 'DNS:localhost');
});
afterAll(async () => {
  await authority?.close();
  await rm(folder, { recursive: true });
});

/** What a program says of a configuration, and its exit code. */
const verdictOf = async (name: WebProxyName, text: string): Promise<readonly [number | null, string]> => {
  const file = join(folder, 'proxy.conf');
  await writeFile(file, text);
  const flags = name === 'nginx' ? ['-t', '-c', file, '-p', folder, '-e', 'stderr'] : ['-c', '-f', file];
  const { status, stdout, stderr } = spawnSync(programOf(name) ?? name, flags, { encoding: 'utf8' });
  return [status, stdout + stderr];
};

describe('nginx', () => {
  const nginxTest = webProxyTest('nginx');
  /** nginx binds what it is to listen on even for a test, and looks up the names of edges. */
  const nginxConfig = async (edges: string, port: number): Promise<string> => {
    const http = `${await read(`nginx/${edges}`)}\n${await read('nginx/sluice.conf')}`
      .replace('listen 80;', `listen 127.0.0.1:${port};`)
      .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
      .replaceAll(/server edge-\d+:/g, 'server 127.0.0.1:');
    return `pid ${folder}/pid; events {}\nhttp {\n${http}\n}`;
  };
  const EDGES = ['edges.conf', 'edges-compose.conf'];

  test('has no list of edges that is not checked here', async () => {
    const files = await readdir(join(DEPLOY, 'nginx'));
    expect(files.toSorted()).toEqual([...EDGES, 'sluice.conf'].toSorted());
  });

  nginxTest.each(EDGES)('takes sluice.conf with %s', async (edges) => {
    const [code, says] = await verdictOf('nginx', await nginxConfig(edges, await freePort()));
    expect([code, says]).toEqual([0, expect.stringContaining('test is successful')]);
  });

  (hasOpenssl ? nginxTest : test.skip)('takes it with TLS, and refuses what it does not know', async () => {
    const tls = (await nginxConfig('edges.conf', await freePort()))
      .replace('# listen', 'listen')
      .replace('# ssl_certificate /etc/sluice/tls.crt', `ssl_certificate ${certificate?.certificate}`)
      .replace('# ssl_certificate_key /etc/sluice/tls.key', `ssl_certificate_key ${certificate?.key}`)
      .replace(/listen 127\.0\.0\.1:\d+;/, '');
    expect(tls).toMatch(/^ +listen \S+ ssl http2;$/m);
    const [code, says] = await verdictOf('nginx', tls);
    expect([code, says]).toEqual([0, expect.stringContaining('test is successful')]);
    const [refused] = await verdictOf('nginx', tls.replace('proxy_buffering off', 'proxy_bufering off'));
    expect(refused).toBe(1);
  });
});

describe('HAProxy', () => {
  const haproxyTest = webProxyTest('haproxy');

  haproxyTest('takes haproxy.cfg as it is, and refuses what it does not know', async () => {
    const text = await read('haproxy/haproxy.cfg');
    expect(await verdictOf('haproxy', text)).toEqual([0, expect.stringContaining('is valid')]);
    const [refused] = await verdictOf('haproxy', text.replace('option redispatch', 'option redispach'));
    expect(refused).toBe(1);
  });

  (hasOpenssl ? haproxyTest : test.skip)('takes it with TLS', async () => {
    const pem = join(folder, 'sluice.pem');
    const files = [certificate?.certificate, certificate?.key].map((path) => readFile(path ?? '', 'utf8'));
    await writeFile(pem, (await Promise.all(files)).join(''));
    const tls = (await read('haproxy/haproxy.cfg'))
      .replace('bind :80\n', '')
      .replace('# bind :443 ssl crt /etc/haproxy/sluice.pem', `bind :443 ssl crt ${pem}`);
    expect(tls).toMatch(/^ +bind :443 ssl crt \S+ alpn h2/m);
    expect(await verdictOf('haproxy', tls)).toEqual([0, expect.stringContaining('is valid')]);
  });
});
