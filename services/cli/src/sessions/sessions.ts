import { z } from 'zod';
import { CliError } from '../cli-error.ts';
import { targetOf } from '../edge/target.ts';
import type { Target, TargetOptions } from '../edge/target.ts';
import { jsonLine, plain } from '../terminal/plain.ts';

export type ListOptions = TargetOptions & {
  readonly user?: string;
  readonly limit: number;
  readonly json?: boolean;
};

const listedSchema = z.looseObject({
  session: z.string(),
  user: z.string(),
  activeAt: z.number(),
  title: z.string().optional(),
  items: z.number().optional(),
  preview: z.string().optional(),
});
const listSchema = z.looseObject({ sessions: z.array(listedSchema), next: z.number().optional() });
const errorSchema = z.looseObject({ error: z.looseObject({ code: z.string(), message: z.string() }) });

/** Most that one request lists. */
const MAX_LISTED = 100;

export const list = async ({ user, limit, json = false, ...named }: ListOptions): Promise<void> => {
  const target = targetOf(named);
  let left = limit;
  for (let after: number | undefined = 0; after !== undefined && left > 0;) {
    const query = new URLSearchParams({ limit: String(Math.min(left, MAX_LISTED)) });
    if (after > 0) query.set('after', String(after));
    if (user !== undefined) query.set('user', user);
    const page = listSchema.parse(await request(target, 'GET', `?${query.toString()}`));
    for (const each of page.sessions)
      process.stdout.write(json ? jsonLine(each) : `${plain(lineOf(each))}\n`);
    left -= page.sessions.length;
    after = page.next;
  }
};

export const rename = async (session: string, title: string, named: TargetOptions): Promise<void> =>
  void (await request(targetOf(named), 'PATCH', `/${session}`, { title }));

export const remove = async (
  session: string,
  { item, ...named }: TargetOptions & { readonly item?: string },
): Promise<void> => {
  const path = item === undefined ? '' : `/items/${item}`;
  await request(targetOf(named), 'DELETE', `/${session}${path}`);
};

/** @returns the body of the answer, if it has one @throws CliError with what the edge says */
const request = async (
  { url, token }: Target,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> => {
  const address = `${url.replace(/^ws/, 'http').replace(/\/$/, '')}/v1/sessions${path}`;
  const response = await fetch(address, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  }).catch((cause: Error) => {
    throw new CliError(`expected a Sluice edge at ${url}, got ${cause.message}`, { cause });
  });
  const text = await response.text();
  if (response.ok) return text === '' ? undefined : JSON.parse(text);
  throw new CliError(`${url} answered ${response.status}: ${messageIn(text)}`);
};

const messageIn = (text: string): string => {
  try {
    const { error } = errorSchema.parse(JSON.parse(text));
    return printable(`${error.code}: ${error.message}`);
  } catch {
    return 'something that is no answer of an edge';
  }
};

const lineOf = ({ session, user, activeAt, title, items, preview }: z.infer<typeof listedSchema>): string =>
  [
    new Date(activeAt).toISOString().slice(0, 16).replace('T', ' '),
    session,
    printable(user),
    `${items ?? '?'} items`,
    printable(title ?? preview ?? ''),
  ].join('  ');

/** Whatever others wrote on one line, without what a terminal would obey. */
const printable = (text: string): string => text.replaceAll(/\s+/gu, ' ').replaceAll(/\p{C}/gu, '\ufffd');
