import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { platform } from 'node:os';
import { expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import { readUnacked, unackedIn } from '../../src/transports/unacked.ts';
import { createWorld } from '../support/world.ts';

const onLinux = platform() === 'linux' ? test : test.skip;

test('the kernel’s tables are read, and what is acknowledged is passed over', () => {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n';
  const rest = '00:00000000 00000000     0        0 2366803 1';
  expect(
    unackedIn(
      `${head}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 ${rest}\n` +
        `   1: 0100007F:1F90 0201A8C0:D431 01 0000000E:00000000 ${rest}\n` +
        ` 264: 0100007F:1F90 0301A8C0:D431 01 00000000:0001F400 ${rest}\n`,
      'ipv4',
    ),
  ).toEqual([['8080 192.168.1.2 54321', 14]]);
  expect(
    unackedIn(
      `${head}   0: 00000000000000000000000001000000:1F90 B80D0120000000000000000001000000:D431 01 00000400:00000000 ${rest}\n` +
        `   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000201A8C0:D431 08 00000001:00000000 ${rest}\n`,
      'ipv6',
    ),
  ).toEqual(
    [
      ['8080 2001:db8::1', 54321, 1024],
      ['8080 ::ffff:192.168.1.2', 54321, 1],
    ].map(([place, port, bytes]) => [`${place} ${port}`, bytes]),
  );
});

onLinux.each(['127.0.0.1', '::1', '::ffff:127.0.0.1'])(
  'bytes that a client at %s takes no more are counted, until it takes them',
  async (host) => {
    const server = createServer((accepted) => accepted.write(Buffer.alloc(1_000_000)));
    server.listen(0, '::');
    await once(server, 'listening');
    const accepting = once(server, 'connection') as Promise<[Socket]>;
    const client = connect({ host, port: (server.address() as AddressInfo).port });
    client.pause();
    const [accepted] = await accepting;
    const unacked = async (): Promise<number> => (await readUnacked())?.(accepted) ?? 0;
    await waitFor(async () => (await unacked()) > 0, { what: 'bytes that wait' });
    client.resume();
    await waitFor(async () => (await unacked()) === 0, { what: 'all to be taken' });
    client.destroy();
    server.close();
  },
);

onLinux('the kernel asks a client that is silent whether it is still there', async () => {
  const world = createWorld();
  const port = Number(new URL((await world.addEdge()).url).port);
  const client = connect({ host: '127.0.0.1', port });
  await once(client, 'connect');
  const hex = (number = 0): string => number.toString(16).toUpperCase().padStart(4, '0');
  const line = new RegExp(`:${hex(port)} \\S+:${hex(client.localPort)} 01 0+:0+ (\\d\\d):`);
  const timer = async (): Promise<string | undefined> =>
    line.exec(await readFile('/proc/net/tcp', 'latin1'))?.[1];
  await waitFor(async () => (await timer()) === '02', { what: 'a keep-alive timer' });
  client.destroy();
  await world.close();
});
