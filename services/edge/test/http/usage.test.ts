import { beforeEach, describe, expect, test } from '@jest/globals';
import { dayOf, nameOfDay } from '@sluice/core';
import { parseOrg } from '@sluice/protocol';
import type { UsageRecord } from '@sluice/protocol';
import { keyOf, newId } from '../support/asking.ts';
import { codeIn, request } from '../support/http.ts';
import type { RequestOptions } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();
const OF_ORG = { as: { scope: 'read usage' } };

const at = (time: string): number => Date.parse(`${time}Z`);
const append = (more: Partial<UsageRecord>, org = 'acme'): Promise<void> =>
  scene.world.bus.usage.append(
    { ...keyOf('s', newId()), org: parseOrg(org) },
    {
      ...{
        v: 1,
        user: 'ann',
        model: 'small',
        reason: 'stop',
        attempts: 1,
        endedAt: at('2021-11-02T10:00:00'),
      },
      ...{ promptTokens: 10, cachedTokens: 4, completionTokens: 20, gpuMs: 1_500, savedTokens: 1 },
      ...more,
    },
  );

const usage = (query: string, more: RequestOptions = OF_ORG) =>
  request(scene.target, `/v1/usage?from=2021-11-01&to=2021-11-30${query}`, more);

describe('GET of the usage', () => {
  beforeEach(async () => {
    await append({});
    await append({ estimated: true });
    await append({ model: 'large', endedAt: at('2021-11-30T23:59:59') });
    await append({ user: 'bob', reason: 'cancelled', savedTokens: 50 });
    await append({ user: 'early', endedAt: at('2021-10-31T23:59:59') });
    await append({ user: 'late', endedAt: at('2021-12-01T00:00:00') });
    await append({ user: 'eve' }, 'globex');
  });

  test('has the org’s rows by user and model, and their total', async () => {
    const { status, body } = await usage('');
    expect(status).toBe(200);
    const one = { generations: 1, promptTokens: 10, cachedTokens: 4, completionTokens: 20 };
    expect(body).toEqual({
      ...{ from: '2021-11-01', to: '2021-11-30', of: 'org' },
      rows: [
        { user: 'ann', model: 'large', ...one, gpuSeconds: 1.5, savedTokens: 1, estimated: 0 },
        {
          ...{ user: 'ann', model: 'small', generations: 2, promptTokens: 20, cachedTokens: 8 },
          ...{ completionTokens: 40, gpuSeconds: 3, savedTokens: 2, estimated: 1 },
        },
        { user: 'bob', model: 'small', ...one, gpuSeconds: 1.5, savedTokens: 50, estimated: 0 },
      ],
      total: {
        ...{ generations: 4, promptTokens: 40, cachedTokens: 16, completionTokens: 80 },
        ...{ gpuSeconds: 6, savedTokens: 53, estimated: 1 },
      },
    });
  });

  test('is of the token’s user alone, unless it has a scope for more', async () => {
    const own = await usage('', { as: { user: 'bob' } });
    expect(own.body).toMatchObject({ of: 'user', rows: [{ user: 'bob' }], total: { generations: 1 } });
    expect((await usage('', { as: { user: 'bob', scope: 'admin' } })).body).toMatchObject({ of: 'org' });
    expect(codeIn(await usage('', { as: { scope: 'prompt' } }))).toBe('forbidden');
    expect(codeIn(await usage('', { as: undefined }))).toBe('unauthorized');
  });

  test('has one row for each combination of what it is asked by', async () => {
    const rowsBy = async (by: string): Promise<unknown> =>
      (((await usage(`&by=${by}`)).body as { rows: Record<string, unknown>[] }).rows ?? []).map(
        ({ day, model, user, generations }) =>
          [day, model, user, generations].filter((cell) => cell !== undefined),
      );
    expect(await rowsBy('model')).toEqual([
      ['large', 1],
      ['small', 3],
    ]);
    expect(await rowsBy('day')).toEqual([
      ['2021-11-02', 3],
      ['2021-11-30', 1],
    ]);
    expect(await rowsBy('')).toEqual([[4]]);
    expect(codeIn(await usage('&by=prompt'))).toBe('bad_frame');
  });

  test('as a table: by its format, or by what the client accepts', async () => {
    await append({ user: '=HYPERLINK("http://evil")', model: 'a,"b"\n' });
    const table = await usage('&by=user,model&format=csv');
    expect(table.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(table.text.split('\r\n')).toEqual([
      'user,model,generations,promptTokens,cachedTokens,completionTokens,gpuSeconds,savedTokens,estimated',
      `"'=HYPERLINK(""http://evil"")","a,""b""\n",1,10,4,20,1.5,1,0`,
      'ann,large,1,10,4,20,1.5,1,0',
      'ann,small,2,20,8,40,3,2,1',
      'bob,small,1,10,4,20,1.5,50,0',
      '',
    ]);
    expect((await usage('', { ...OF_ORG, headers: { accept: 'text/csv' } })).text).toBe(table.text);
  });

  test('costs what its tokens cost', async () => {
    const priced = await scene.world.addEdge({ tokenPrice: 2 });
    const query = '/v1/usage?from=2021-11-01&to=2021-11-30&by=model';
    const { body } = await request(priced, query, OF_ORG);
    expect(body).toMatchObject({
      rows: [{ dollars: 0.00004 }, { dollars: expect.closeTo(0.00012, 8) }],
      total: { dollars: expect.closeTo(0.00016, 8) },
    });
    const { text } = await request(priced, `${query}&format=csv`, OF_ORG);
    expect(text).toContain(',estimated,dollars\r\nlarge,1,10,4,20,1.5,1,0,0.00004\r\n');
  });

  test('of a generation that has just ended is there at once, on an edge that has answered before', async () => {
    const today = (): Promise<unknown> =>
      request(scene.target, '/v1/usage', OF_ORG).then(({ body }) => (body as { total: unknown }).total);
    expect(await today()).toMatchObject({ generations: 0 });
    for (let generations = 1; generations <= 3; generations += 1) {
      await append({ endedAt: Date.now() });
      expect(await today()).toMatchObject({ generations });
    }
  });

  test.each([
    ['from=2021-11-31', 'a day that there is not'],
    ['from=yesterday', 'no day'],
    ['from=2021-11-02&to=2021-11-01', 'the wrong way round'],
    ['from=2020-11-01&to=2021-11-02', 'more than a year'],
    [`to=${nameOfDay(dayOf(8e15))}x`, 'a year without end'],
  ])('is refused for %s: %s', async (query) => {
    expect(codeIn(await request(scene.target, `/v1/usage?${query}`, OF_ORG))).toBe('bad_frame');
  });
});
