import { readFileSync } from 'node:fs';
import { systemClock } from '@sluice/runtime';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { badTokens, generateTestKeys, TEST_SECRET } from '@sluice/testkit';
import { STATUS_OF } from '../../src/http/http-error.ts';
import { keyOf, newId } from '../support/asking.ts';
import { codeIn, openStream, pathOf, request } from '../support/http.ts';
import { createWorld, tokenOf } from '../support/world.ts';
import type { World } from '../support/world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

const put = { method: 'PUT', body: { input: 'x' } } as const;

describe('every request', () => {
  test('is answered with an id: its own if it is harmless, else a new one', async () => {
    const edge = await world.addEdge();
    const idOf = async (given: string): Promise<string | null> =>
      (await request(edge, '/v1/models', { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await idOf('trace-1.a')).toBe('trace-1.a');
    for (const given of ['a b', '<script>', 'x'.repeat(65)])
      expect(await idOf(given)).toMatch(/^[\da-f-]{36}$/);
    for (const path of ['/', '/v1/nothing', '/v1/models?x'])
      expect((await request(edge, path, { as: undefined })).headers.get('x-request-id')).not.toBeNull();
  });

  test('needs a good token, which is never in the address', async () => {
    const edge = await world.addEdge();
    const path = pathOf('s1', 'g1');
    const none = await request(edge, path, { as: undefined });
    expect([none.status, codeIn(none), none.headers.get('www-authenticate')]).toEqual([
      401,
      'unauthorized',
      'Bearer',
    ]);
    for (const query of ['token', 'access_token', 'bearer'])
      expect((await request(edge, `${path}?${query}=${tokenOf()}`, { as: undefined })).status).toBe(401);
    const told = new Set<string>();
    for (const { token } of badTokens(TEST_SECRET, generateTestKeys())) {
      const answer = await request(edge, path, {
        as: undefined,
        headers: { authorization: `Bearer ${token}` },
      });
      expect(answer.status).toBe(401);
      told.add(answer.text);
    }
    expect(told.size).toBeLessThanOrEqual(2);
    expect(edge.recording.operations).toEqual([]);
  });

  test('may bring its token in a cookie if it changes nothing and comes from the same site', async () => {
    const edge = await world.addEdge();
    const statusOf = async (options: object): Promise<number> =>
      (await request(edge, pathOf('s1', 'g1'), { as: undefined, ...options })).status;
    const cookie = `theme=dark; sluice_token=${tokenOf()}; other=1`;
    expect(await statusOf({ headers: { cookie } })).toBe(404);
    expect(await statusOf({ headers: { cookie, 'sec-fetch-site': 'same-origin' } })).toBe(404);
    expect(await statusOf({ headers: { cookie, 'sec-fetch-site': 'cross-site' } })).toBe(401);
    expect(await statusOf({ headers: { cookie }, ...put })).toBe(401);
    expect(await statusOf({ headers: { cookie }, method: 'DELETE' })).toBe(401);
    for (const bad of ['sluice_token=', 'xsluice_token=a.b.c', `sluice_token=${tokenOf()}x`])
      expect(await statusOf({ headers: { cookie: bad } })).toBe(401);
  });

  test('with an id that is none is refused, and NATS is not asked', async () => {
    const edge = await world.addEdge();
    const hostile = [
      '*',
      '%3E',
      'a.b',
      '..%2F..',
      '%20',
      'a%0D%0Ab',
      '%00',
      '%E2%82%AC',
      'x'.repeat(65),
      '$JS.API',
    ];
    for (const id of hostile)
      for (const path of [pathOf(id, 'g1'), pathOf('s1', id), pathOf(id)])
        for (const method of ['GET', 'PUT', 'DELETE']) {
          if (method !== 'GET' && path === pathOf(id)) continue;
          const answer = await request(edge, path, method === 'PUT' ? put : { method });
          expect([400, 404]).toContain(answer.status);
          expect(codeIn(answer)).toBeDefined();
        }
    expect(edge.recording.operations).toEqual([]);
  });

  test('beyond a user’s allowance is told when to come back', async () => {
    const edge = await world.addEdge({ requestsPerSecond: 3 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => request(edge, '/v1/models')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(2);
    expect(refused[0]?.body).toMatchObject({ error: { code: 'rate_limited', retryable: true } });
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
    expect((await request(edge, '/v1/models', { as: { user: 'bob' } })).status).toBe(200);
  });

  test('takes new prompts from the same allowance as the WebSocket', async () => {
    await world.addWorker();
    const now = Date.now();
    const edge = await world.addEdge({ promptsPerMinute: 2, clock: { ...systemClock, now: () => now } });
    const answers = [];
    for (let i = 0; i < 3; i += 1) answers.push(await request(edge, pathOf('s1', newId()), put));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 429]);
    const seconds = Math.ceil((60_000 - (now % 60_000)) / 1_000);
    expect(answers[2]?.headers.get('retry-after')).toBe(String(seconds));
  });

  test('while NATS is away is told to try again', async () => {
    const edge = await world.addEdge();
    edge.recording.isDown = true;
    const answer = await request(edge, pathOf('s1', 'g1'));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(answer.body).toMatchObject({ error: { code: 'unavailable', retryable: true } });
  });
});

test('neither prompts, texts nor tokens are in the log', async () => {
  const worker = await world.addWorker();
  const edge = await world.addEdge();
  const path = pathOf('s1', 'g1');
  await request(edge, path, { method: 'PUT', body: { input: 'canary-input' } });
  const run = await worker.claim(keyOf('s1', 'g1'));
  await run.write('canary-text');
  await run.end();
  await (
    await openStream(edge, `${path}/events`)
  ).closed;
  await request(edge, path, { as: undefined, headers: { authorization: 'Bearer canary-token' } });
  await request(edge, `${path}?canary-query`, { headers: { 'x-canary': 'canary-header' } });
  edge.recording.isDown = true;
  await request(edge, path, { method: 'PUT', body: { input: 'canary-again' } });
  expect(edge.logs.join('')).not.toContain('canary');
  // As every JWT begins.
  expect(edge.logs.join('')).not.toContain('eyJ');
  expect(edge.logs.join('')).toContain('credential_refused');
});

describe('a page of another origin', () => {
  const origin = 'https://app.example';
  const preflight = {
    method: 'OPTIONS',
    as: undefined,
    headers: { origin, 'access-control-request-method': 'PUT' },
  };

  test('may call nothing unless it is listed', async () => {
    const edge = await world.addEdge();
    const answer = await request(edge, '/v1/models', { headers: { origin } });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(
      (await request(edge, '/v1/models', preflight)).headers.get('access-control-allow-origin'),
    ).toBeNull();
  });

  test.each([[[]], [['https://other.example']]])(
    'is told which setting is missing, as the log is, once a minute: listed %j',
    async (allowedOrigins) => {
      const edge = await world.addEdge({ allowedOrigins });
      for (const path of ['/v1/models', '/api/chat', '/nowhere']) {
        const answer = await request(edge, path, preflight);
        expect([answer.status, codeIn(answer)]).toEqual([403, 'forbidden']);
        expect(answer.text).toContain('SLUICE_ALLOWED_ORIGINS');
      }
      const lines = edge.logs.filter((line) => line.includes('origin_refused'));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain('SLUICE_ALLOWED_ORIGINS');
      expect(lines[0]).toContain(origin);
    },
  );

  test('may have any port of a host that is listed so', async () => {
    const edge = await world.addEdge({ allowedOrigins: ['http://localhost:*'] });
    const allowed = async (from: string): Promise<string | null> => {
      const headers = { ...preflight.headers, origin: from };
      return (await request(edge, '/v1/models', { ...preflight, headers })).headers.get(
        'access-control-allow-origin',
      );
    };
    for (const page of ['http://localhost', 'http://localhost:3000', 'http://localhost:65535'])
      expect(await allowed(page)).toBe(page);
    for (const page of ['https://localhost:3000', 'http://localhost:3000.evil', 'http://localhost.evil:3000'])
      expect(await allowed(page)).toBeNull();
  });

  test('may call the API if it is listed exactly', async () => {
    const edge = await world.addEdge({ allowedOrigins: [origin] });
    const answer = await request(edge, '/v1/models', preflight);
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answer.headers.get('access-control-allow-methods')).toContain('PUT');
    for (const other of ['https://app.example.evil', 'http://app.example', 'null']) {
      const { headers } = await request(edge, '/v1/models', { headers: { origin: other } });
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });
});

describe('orgs that use the same ids', () => {
  test('never meet: what is another’s is answered as what is absent', async () => {
    await world.addWorker();
    const edge = await world.addEdge();
    for (const org of ['acme', 'globex'])
      expect((await request(edge, pathOf('s', 'g'), { ...put, as: { org } })).status).toBe(201);
    await request(edge, pathOf('s', 'own'), { ...put, as: { org: 'acme' } });
    for (const method of ['GET', 'DELETE']) {
      const told = async (id: string): Promise<unknown> => {
        const { status, text } = await request(edge, pathOf('s', id), { method, as: { org: 'globex' } });
        return [status, text];
      };
      expect(await told('own')).toEqual(await told('none'));
    }
    const listed = await request(edge, pathOf('s'), { as: { org: 'globex' } });
    expect((listed.body as { items: { id: string }[] }).items.map(({ id }) => id)).toEqual(['g']);
    const outside = await request(edge, pathOf('s', 'g'), { as: { sessions: ['other'] } });
    expect([outside.status, codeIn(outside)]).toEqual([404, 'not_found']);
  });
});

test('the status of every error code is the one of docs/PROTOCOL.md', () => {
  const page = readFileSync(new URL('../../../../docs/PROTOCOL.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (?:yes|no) +\| (\d{3}) +\|/gm)];
  expect(Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))).toEqual(STATUS_OF);
});
