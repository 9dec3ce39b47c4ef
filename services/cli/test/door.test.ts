import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { request } from 'node:http';
import { startDoor } from '../src/up/door.ts';
import type { Door } from '../src/up/door.ts';

const PAGE = 'http://127.0.0.1:8080';
let killed: string[];
let door: Door;
let token: string;

beforeEach(async () => {
  killed = [];
  const kill = (name: string): boolean => name !== 'gone' && killed.push(name) > 0;
  door = await startDoor({
    serves: (origin) => origin === PAGE,
    killEdge: kill,
    killWorker: kill,
  });
  token = door.key.slice(door.key.indexOf('.') + 1);
});

afterEach(() => door.close());

type Ask = { readonly method?: string; readonly path?: string; readonly headers?: Record<string, string> };

/** As the page asks, but for what is said otherwise. */
const ask = ({ method = 'POST', path = '/workers/w-1/kill', headers = {} }: Ask = {}) =>
  new Promise<{ status: number | undefined; allowed: unknown }>((resolve, reject) => {
    const all = { origin: PAGE, authorization: `Bearer ${token}`, ...headers };
    const asked = request(door.origin + path, { method, headers: all }, (response) => {
      response.resume();
      response.once('end', () =>
        resolve({
          status: response.statusCode,
          allowed: response.headers['access-control-allow-origin'],
        }),
      );
    });
    asked.once('error', reject).end();
  });

describe('the kill switch of the demo', () => {
  test('kills the worker that is named, and the edge that the page came from', async () => {
    expect(await ask()).toEqual({ status: 204, allowed: PAGE });
    expect(await ask({ path: '/edge/kill' })).toEqual({ status: 204, allowed: PAGE });
    expect(killed).toEqual(['w-1', PAGE]);
  });

  test('says so when the process does not run at this moment', async () => {
    expect(await ask({ path: '/workers/gone/kill' })).toEqual({ status: 409, allowed: PAGE });
  });

  test('lets the page ask before, without its token', async () => {
    const headers = { authorization: '', 'access-control-request-headers': 'authorization' };
    expect(await ask({ method: 'OPTIONS', headers })).toEqual({ status: 204, allowed: PAGE });
    expect(killed).toEqual([]);
  });

  test.each<[string, Ask, number]>([
    ['without the token', { headers: { authorization: '' } }, 401],
    ['with another token', { headers: { authorization: `Bearer ${'0'.repeat(64)}` } }, 401],
    ['from another page', { headers: { origin: 'http://127.0.0.1:8081' } }, 403],
    ['from a page of an unknown origin', { headers: { origin: 'null' } }, 403],
    ['under another name of this address', { headers: { host: 'rebound.example' } }, 403],
    ['by a link or an image', { method: 'GET' }, 405],
    ['for something else', { path: '/nats/kill' }, 404],
    ['for a name that is none', { path: '/workers/..%2Fedge/kill' }, 404],
  ])('refuses an order %s', async (_, order, status) => {
    const { status: got, allowed } = await ask(order);
    expect(got).toBe(status);
    expect(allowed).toBe(status === 403 ? undefined : PAGE);
    expect(killed).toEqual([]);
  });
});

describe('the code of a link', () => {
  const exchange = async (key: string, origin = PAGE): Promise<{ status: number; text: string }> => {
    const [port, code] = key.split('.');
    const headers = { authorization: `Code ${code}`, origin };
    const answer = await fetch(`http://127.0.0.1:${port}/token`, { method: 'POST', headers });
    return { status: answer.status, text: await answer.text() };
  };

  test('is exchanged once, by a page of the demo, for its token and the key to kill', async () => {
    const link = door.offer('jwt');
    expect(await exchange(link, 'http://127.0.0.1:9999')).toMatchObject({ status: 403 });
    const { status, text } = await exchange(link);
    expect([status, JSON.parse(text)]).toEqual([200, { token: 'jwt', kill: door.key }]);
    expect(await exchange(link)).toMatchObject({
      status: 410,
      text: expect.stringContaining('npx sluice token'),
    });
  });

  test('is of no use to kill, and the key to kill none to sign in', async () => {
    const [, code] = door.offer('jwt').split('.');
    expect(await ask({ headers: { authorization: `Bearer ${code}` } })).toMatchObject({ status: 401 });
    expect(await exchange(door.key)).toMatchObject({ status: 410 });
    expect(killed).toEqual([]);
  });
});
