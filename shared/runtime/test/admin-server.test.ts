import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startAdminServer } from '../src/index.ts';
import type { AdminServer, Readiness } from '../src/index.ts';

let server: AdminServer;
let readiness: () => Readiness;
let metrics: () => Promise<string>;

beforeEach(async () => {
  readiness = () => ({ ready: true });
  metrics = async () => 'demo 1\n';
  const registry = { contentType: 'text/plain; version=0.0.4', metrics: () => metrics() };
  server = await startAdminServer({ port: 0, registry, ready: () => readiness() });
});
afterEach(() => server.close());

const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
  const response = await fetch(`${server.url}${path}`, { method });
  return [response.status, await response.text()];
};

describe('startAdminServer', () => {
  test('is live while it answers', async () => {
    expect(await get('/livez')).toEqual([200, 'live\n']);
  });

  test('readiness follows the function, asked each time', async () => {
    expect(await get('/readyz')).toEqual([200, 'ready\n']);
    readiness = () => ({ ready: false, reason: 'draining' });
    expect(await get('/readyz')).toEqual([503, 'not ready: draining\n']);
    readiness = () => {
      throw new Error('no state yet');
    };
    expect(await get('/readyz')).toEqual([503, 'not ready: no state yet\n']);
  });

  test('serves metrics with their content type', async () => {
    const response = await fetch(`${server.url}/metrics?x=1`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4');
    expect(await response.text()).toBe('demo 1\n');
  });

  test('a failing collector is a 500, and the server lives on', async () => {
    metrics = () => Promise.reject(new Error('boom'));
    expect((await get('/metrics'))[0]).toBe(500);
    expect((await get('/livez'))[0]).toBe(200);
  });

  test('anything else is 404 or 405', async () => {
    expect((await get('/'))[0]).toBe(404);
    expect((await get('/readyz', 'POST'))[0]).toBe(405);
  });

  test('closing twice is quiet, and a taken port is an error', async () => {
    const registry = { contentType: 'text/plain', metrics: () => metrics() };
    const again = startAdminServer({ port: server.port, registry, ready: () => readiness() });
    await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await server.close();
    await server.close();
    await expect(get('/livez')).rejects.toThrow();
  });
});
