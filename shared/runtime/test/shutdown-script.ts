/** A process for shutdown.test.ts: says `ready`, then does what its first argument names. */
import { writeSync } from 'node:fs';
import { onShutdown } from '../src/index.ts';

const mode = process.argv[2];
const say = (text: string): void => void writeSync(1, `${text}\n`);
const hangs = mode?.startsWith('hang') ?? false;

const shutdown = onShutdown(
  async (reason) => {
    if (hangs) {
      say('closing');
      await new Promise(() => {});
    }
    say(`closed by ${JSON.stringify(reason)}`);
  },
  { timeoutMs: mode === 'hang-briefly' ? 50 : 20_000 },
);
setInterval(() => {}, 1_000);
say('ready');
if (mode === 'trigger') shutdown.trigger();
if (mode === 'throw')
  setImmediate(() => {
    throw new Error('boom');
  });
if (mode === 'reject') void Promise.reject(new Error('boom'));
if (mode === 'reject-undefined') void Promise.reject(undefined);
