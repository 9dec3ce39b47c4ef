/**
 * The mock server as a program: prints one JSON line when it listens, ends on SIGTERM or SIGINT.
 * `--port` (default 0), `--host` (127.0.0.1), `--quirks` (openai), `--tokens` (to the text's own end),
 * `--tokens-per-second` (40), `--ttft-ms` (250); each also as MOCK_PORT, MOCK_TOKENS_PER_SECOND and so on.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { startMockServer } from './mock-server.ts';
import { DIALECTS } from './quirks.ts';

const settingsSchema = z.object({
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  host: z.string().default('127.0.0.1'),
  quirks: z.enum(DIALECTS).default('openai'),
  tokens: z.coerce.number().int().min(0).optional(),
  'tokens-per-second': z.coerce.number().min(0).default(40),
  'ttft-ms': z.coerce.number().min(0).default(250),
});

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: Object.fromEntries(Object.keys(settingsSchema.shape).map((name) => [name, text])),
});
const fromEnvironment = Object.fromEntries<unknown>(
  Object.keys(settingsSchema.shape)
    .map((name): [string, unknown] => [name, process.env[`MOCK_${name.toUpperCase().replaceAll('-', '_')}`]])
    .filter(([, value]) => value !== undefined),
);

const settings = settingsSchema.parse({ ...fromEnvironment, ...values });
const server = await startMockServer({
  port: settings.port,
  host: settings.host,
  quirks: settings.quirks,
  simulated: {
    tokensPerSecond: settings['tokens-per-second'],
    ttftMs: settings['ttft-ms'],
    ...(settings.tokens === undefined ? {} : { tokens: settings.tokens }),
  },
});
console.log(JSON.stringify({ ready: true, url: server.url, port: server.port, quirks: settings.quirks }));

const stop = (): void => void server.close();
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
