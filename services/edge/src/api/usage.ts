import { dayNamed, dayOf, nameOfDay } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import { z } from 'zod';
import { allows } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { json, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';
import { csvOf, USAGE_GROUPS, usageReport } from '../usage/usage-report.ts';

/** A year, and one day for a leap year. */
const MAX_DAYS = 366;
const DEFAULT_DAYS = 30;

const daySchema = z.string().transform((name, context) => {
  const day = dayNamed(name);
  if (day !== undefined) return day;
  context.addIssue({ code: 'custom', message: 'expected a day such as 2026-11-30' });
  return z.NEVER;
});

const byDescription = 'Of `user`, `model` and `day`, separated by commas: one row for each combination.';
const bySchema = z
  .string()
  .default('user,model')
  .transform((text) => text.split(',').filter((name) => name !== ''))
  .pipe(z.array(z.enum(USAGE_GROUPS)))
  .describe(byDescription);

const figures = {
  generations: z.int().describe('That ended.'),
  promptTokens: z.int(),
  cachedTokens: z.int().describe('Of `promptTokens`, those that were in the engine’s KV cache.'),
  completionTokens: z.int(),
  gpuSeconds: z.number().describe('How long they had a slot of an engine.'),
  savedTokens: z.int().describe('Not made because they were stopped, as far as can be told.'),
  estimated: z.int().describe('Of `generations`, those whose engine did not count all tokens.'),
  dollars: z.number().optional().describe('Where the org has a price.'),
};
const reportSchema = z
  .looseObject({
    from: z.string(),
    to: z.string(),
    of: z.enum(['org', 'user']).describe('Whose: of the whole org, or of the token’s user alone.'),
    rows: z.array(
      z.looseObject({
        user: z.string().optional(),
        model: z.string().optional(),
        day: z.string().optional(),
        ...figures,
      }),
    ),
    total: z.looseObject(figures),
  })
  .meta({ id: 'UsageReport' });

const answered = json('Rows in the order of their names, and their total.', reportSchema);
const schema = {
  operationId: 'getUsage',
  summary: 'What generations cost, by the day (UTC) of their end',
  description:
    'Of the token’s user; with scope `usage` or `admin`, of its whole org. At most 366 days. `unavailable` where so many generations are asked for that it takes another request, which goes on where this one stopped.',
  tags: ['usage'],
  querystring: z.object({
    from: daySchema.optional().describe('First day, such as 2026-11-01; default 30 days up to `to`.'),
    to: daySchema.optional().describe('Last day; default today.'),
    by: bySchema,
    format: z.enum(['json', 'csv']).optional().describe('Default what `Accept` prefers, else JSON.'),
  }),
  response: {
    200: { ...answered, content: { ...answered.content, 'text/csv': { schema: z.string() } } },
    ...refusals,
  },
};

export const usageRoutes: ApiRoutes =
  ({ clock, usage }) =>
  async (app) => {
    app.get('/v1/usage', { schema }, async ({ grant, query, headers }, reply) => {
      const { to = dayOf(clock.now()), by } = query;
      const { from = to - DEFAULT_DAYS + 1 } = query;
      const of = scopeOf(grant);
      checkRange(from, to);
      const all = await usage.sums.of(grant.org, from, to);
      const sums = of === 'org' ? all : all.filter(({ user }) => user === grant.user);
      const report = usageReport(sums, by, usage.priceOf(grant.org));
      reply.header('vary', 'accept');
      if ((query.format ?? formatOf(headers.accept)) === 'csv')
        return reply.type('text/csv; charset=utf-8').send(csvOf(report, by));
      return { from: nameOfDay(from), to: nameOfDay(to), of, ...report };
    });
  };

/** @throws SluiceError forbidden */
const scopeOf = (grant: Grant): 'org' | 'user' => {
  if (allows(grant, 'usage') || allows(grant, 'admin')) return 'org';
  if (allows(grant, 'read')) return 'user';
  throw new SluiceError('forbidden', 'expected scope `read`, `usage` or `admin`');
};

/** @throws SluiceError bad_frame */
const checkRange = (from: number, to: number): void => {
  if (from > to) throw new SluiceError('bad_frame', '`from`: expected a day that is not after `to`');
  if (to - from >= MAX_DAYS)
    throw new SluiceError('bad_frame', `\`from\`: expected at most ${MAX_DAYS} days`);
};

const formatOf = (accept = ''): 'json' | 'csv' =>
  accept.includes('text/csv') && !accept.includes('application/json') ? 'csv' : 'json';
