/** A process for start-service.test.ts: a service whose start fails as its first argument says. */
import { createServer } from 'node:net';
import { startService } from '../src/index.ts';

const mode = process.argv[2];

await startService('demo', async (own) => {
  for (const name of ['first', 'second'])
    own({
      close: async () => {
        process.stdout.write(`${name} closed\n`);
        if (mode === 'closes-badly' && name === 'second') throw new Error('it is stuck');
      },
    });
  // What was opened before must not keep the process alive.
  setInterval(() => {}, 1_000);
  if (mode === 'fails' || mode === 'closes-badly') throw new Error('expected this,\n  got that');
  if (mode === 'port-in-use') {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(Number(process.argv[3]), '127.0.0.1', resolve);
    });
  }
});
