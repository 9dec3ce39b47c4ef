import { CliError } from '../cli-error.ts';
import { targetOf } from '../edge/target.ts';
import type { TargetOptions } from '../edge/target.ts';
import { tableOf } from './usage-table.ts';
import { plain, plainJson } from '../terminal/plain.ts';

export type UsageOptions = TargetOptions & {
  readonly from?: string;
  readonly to?: string;
  readonly by: string;
  readonly format: 'table' | 'csv' | 'json';
};

const TIMEOUT_MS = 30_000;
const MAX_TRIES = 100;

/** Prints the usage. @throws CliError */
export const usage = async (options: UsageOptions): Promise<void> => {
  const { from, to, by, format } = options;
  const { url, token } = targetOf(options);
  const address = new URL('/v1/usage', url.replace(/^ws/, 'http'));
  const query = { from, to, by, format: format === 'json' ? 'json' : 'csv' };
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) address.searchParams.set(name, value);
  const text = await read(address, token);
  const shown = {
    table: () => plain(tableOf(text)),
    json: () => `${plainJson(text)}\n`,
    csv: () => plain(text),
  };
  process.stdout.write(shown[format]());
};

/** An edge that has much to add up says so, and goes on where it was. */
const read = async (address: URL, token: string): Promise<string> => {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(address, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: Error) => {
      throw new CliError(`expected a Sluice edge at ${address.origin}, got ${cause.message}`, { cause });
    });
    const text = await response.text();
    if (response.ok) return text;
    if (response.status !== 503 || tries === MAX_TRIES)
      throw new CliError(`${address.origin} refused: ${messageIn(text) ?? `status ${response.status}`}`);
    const seconds = Number(response.headers.get('retry-after') ?? 1);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  }
};

const messageIn = (text: string): string | undefined => {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    return typeof error?.message === 'string' ? error.message : undefined;
  } catch {
    return undefined;
  }
};
