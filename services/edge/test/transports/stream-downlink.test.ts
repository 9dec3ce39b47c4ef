import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { deferred, withTimeout } from '@sluice/testkit';
import type { DownlinkListener } from '../../src/transports/downlink.ts';
import { StreamDownlink } from '../../src/transports/stream-downlink.ts';

test.each([
  ['while the stream is open', false],
  ['before the stream began, while the request was being looked at', true],
])('a client that hangs up %s is gone', async (_when, isEarly) => {
  const asked = deferred<void>();
  const gone = deferred<void>();
  let isBuilt = false;
  const listener: DownlinkListener = {
    drained: () => undefined,
    // Whoever opens it has to have it before it can let it go.
    gone: () => (isBuilt ? gone.resolve() : gone.reject(new Error('gone before it was built'))),
  };
  const server = createServer((_request, response) => {
    const closed = once(response, 'close');
    const begin = (): void => {
      const down = new StreamDownlink(response.writeHead(200), 0, listener);
      down.write(Buffer.from('{}'));
      isBuilt = true;
    };
    if (isEarly) void closed.then(begin);
    else begin();
    asked.resolve();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  client.on('error', () => undefined);
  client.end();
  await asked.promise;
  client.destroy();
  await expect(withTimeout(gone.promise, 5_000, 'the end')).resolves.toBeUndefined();
  server.close();
});
