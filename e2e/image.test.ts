/** The image of deploy/image: its steps make a folder here, and its services run from it as they would in a container. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockServer } from '@sluice/simulator';
import { freePort, readyMessage, startNatsServer } from '@sluice/testkit';
import type { Child, NatsServer } from '@sluice/testkit';
import { z } from 'zod';
import { recordedClient } from './support/clients.ts';
import { buildImage, sandboxMissing } from './support/image.ts';
import type { Image } from './support/image.ts';
import { SHIPPED_USERS } from './support/shipped-users.ts';
import { SECRET } from './support/system.ts';

const MOST_BYTES = 16 * 1024 * 1024;

const Lock = z.object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) });
const Bill = z.object({ components: z.array(z.object({ name: z.string(), version: z.string() })) });
const json = async <Shape extends z.ZodType>(path: string, shape: Shape): Promise<z.infer<Shape>> =>
  shape.parse(JSON.parse(await readFile(path, 'utf8')));

let image: Image;
let files: string[];

beforeAll(async () => {
  image = await buildImage();
  const entries = await readdir(image.folder, { recursive: true, withFileTypes: true });
  files = entries.filter((each) => each.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}, 60_000);
afterAll(() => image.remove());

test('it holds programs and pages, and neither sources nor packages', async () => {
  expect(files.filter((file) => /node_modules|\.tsx?$|\.map$|npm/.test(file))).toEqual([]);
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  expect(bytes).toBeLessThan(MOST_BYTES);
});

test('its bill of materials names packages in the versions that the lock file pins', async () => {
  const lock = await json(join(import.meta.dirname, '../package-lock.json'), Lock);
  const pinned = new Set(
    Object.entries(lock.packages).map(
      ([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`,
    ),
  );
  const { components } = await json(join(image.folder, 'sbom.cdx.json'), Bill);
  const names = components.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['fastify', 'ws', 'undici', 'commander', 'react']));
  const unknown = components.filter(({ name, version }) => {
    const isAliased = name === '@nats-io/transport-node' && pinned.has(`nats@${version}`);
    return !isAliased && !pinned.has(`${name}@${version}`);
  });
  expect(unknown).toEqual([]);
});

const missing = sandboxMissing();
// A quiet skip would look like a pass.
if (missing !== undefined) console.warn(`skipped: ${missing}`);

(missing === undefined ? describe : describe.skip)('in a read-only root as nobody', () => {
  let nats: NatsServer;
  let upstream: MockServer;
  const children: Child[] = [];

  const run = async (args: readonly string[], env: Record<string, string> = {}): Promise<Child> => {
    const child = await image.run(args, env);
    children.push(child);
    return child;
  };
  const sluice = (service: string, env: Record<string, string>): Promise<Child> =>
    run(['/app/sluice.mjs', ...service.split(' ')], { SLUICE_NATS_URL: nats.url, ...env });
  const login = (user: string): Record<string, string> => ({
    SLUICE_NATS_USER: user,
    SLUICE_NATS_PASSWORD: `${user}-pw`,
  });

  beforeAll(async () => {
    nats = await startNatsServer({ config: SHIPPED_USERS });
    upstream = await startMockServer();
  }, 40_000);
  afterAll(async () => {
    for (const child of children) await child.kill();
    await upstream.close();
    await nats.stop();
  });

  test('nothing can be written, and nobody has any capability', async () => {
    const program = `
      const fs = require('node:fs');
      const write = (path) => { try { fs.writeFileSync(path, ''); return 'written'; } catch ({ code }) { return code; } };
      const capabilities = /CapEff:\\t(\\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1];
      const paths = ['/file', '/tmp/file', '/app/file', '/app/sluice.mjs', '/etc/file', '/usr/file'];
      console.log(JSON.stringify({ uid: process.getuid(), gid: process.getgid(), capabilities, writes: paths.map(write) }));`;
    const child = await run(['-e', program]);
    const { uid, gid, capabilities, writes } = await readyMessage(child);
    expect({ uid, gid, capabilities }).toEqual({ uid: 65534, gid: 65534, capabilities: '0000000000000000' });
    expect(new Set(writes as string[])).toEqual(new Set(['EROFS']));
  });

  test('the streams are made, an edge and a worker get ready, and a prompt runs through', async () => {
    const applied = await sluice('streams apply', login('admin'));
    expect({ ...(await applied.exited), output: applied.output() }).toMatchObject({ code: 0 });
    const [edgeAdmin, workerAdmin] = [await freePort(), await freePort()];
    const ports = {
      SLUICE_EDGE_ADMIN_PORT: String(edgeAdmin),
      SLUICE_WORKER_ADMIN_PORT: String(workerAdmin),
    };
    const health = async (): Promise<number | null> => (await (await sluice('health', ports)).exited).code;
    expect(await health()).toBe(1);

    const edge = await sluice('edge', { ...login('edge'), ...ports, SLUICE_JWT_SECRET: SECRET });
    const { url } = z.object({ url: z.string() }).parse(await readyMessage(edge));
    const worker = await sluice('worker', {
      ...login('worker'),
      ...ports,
      SLUICE_ENGINE: 'openai',
      SLUICE_UPSTREAM: upstream.url,
      SLUICE_UPSTREAM_PROFILE: 'vllm',
    });
    await readyMessage(worker);
    for (const port of [edgeAdmin, workerAdmin])
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    expect(await health()).toBe(0);
    expect(await (await fetch(url)).text()).toContain('<title>');

    const { client } = recordedClient(url);
    const text = await client.session('s').prompt({ input: 'go' }).done;
    expect(text.length).toBeGreaterThan(0);
    await client.close();

    for (const service of [edge, worker])
      expect(await service.kill('SIGTERM', 25_000)).toMatchObject({ code: 0 });
  }, 60_000);
});
