import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { RawClient } from '@sluice/testkit';
import { waitFor } from '@sluice/testkit';
import { codeOf } from './support/asking.ts';
import { closePayload, frameBytes, OPCODE, openWire } from './support/wire.ts';
import type { Wire } from './support/wire.ts';
import { createWorld } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

const PING = '{"type":"ping","id":"p"}';
const KIB = 1024;

let world: World;
let target: TestEdge;
let bystander: RawClient;
let wire: Wire;
beforeAll(async () => {
  world = createWorld();
  target = await world.addEdge();
  bystander = await target.open({ user: 'bob' });
});
beforeEach(async () => {
  wire = await openWire(target);
});
afterEach(async () => {
  wire.socket.destroy();
  expect(await codeOf(bystander, { type: 'ping' })).toBe('ok');
});
afterAll(() => world.close());

const alive = async (): Promise<void> => {
  const before = wire.texts.length;
  wire.write(frameBytes(PING));
  await waitFor(() => wire.texts.slice(before).some((text) => text.includes('"ok"')), {
    what: 'an answer to a ping',
    pollMs: 1,
  });
};

describe('a connection is closed with 1002 for', () => {
  const bad: readonly (readonly [string, Buffer])[] = [
    ...[1, 2, 3, 4, 5, 6, 7].map((rsv) => [`reserved bits ${rsv}`, frameBytes(PING, { rsv })] as const),
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
      (opcode) => [`opcode ${opcode}`, frameBytes(PING, { opcode })] as const,
    ),
    ['a frame without a mask', frameBytes(PING, { masked: false })],
    ['a continuation of nothing', frameBytes(PING, { opcode: OPCODE.continuation })],
    ['a ping of more than 125 bytes', frameBytes('x'.repeat(126), { opcode: OPCODE.ping })],
    ['a pong of more than 125 bytes', frameBytes('x'.repeat(200), { opcode: OPCODE.pong })],
    ['a fragmented ping', frameBytes('x', { opcode: OPCODE.ping, fin: false })],
    ['a fragmented close', frameBytes(closePayload(1000), { opcode: OPCODE.close, fin: false })],
    ['a close of one byte', frameBytes('x', { opcode: OPCODE.close })],
    [
      'a second text in the middle of a first',
      Buffer.concat([frameBytes('{', { fin: false }), frameBytes('}')]),
    ],
    ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535].map(
      (code) => [`close code ${code}`, frameBytes(closePayload(code), { opcode: OPCODE.close })] as const,
    ),
  ];
  test.each(bad)('%s', async (_name, bytes) => {
    wire.write(bytes);
    expect(await wire.closed).toBe(1002);
  });
});

describe('a connection is closed with 1007 for', () => {
  test.each([
    ['a byte that is never UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['an overlong encoding', Buffer.from([0xc0, 0xaf])],
    ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['a code point beyond the last', Buffer.from([0xf4, 0x90, 0x80, 0x80])],
    ['half a character', Buffer.from([0xe2, 0x82])],
  ])('%s', async (_name, bytes) => {
    wire.write(frameBytes(bytes));
    expect(await wire.closed).toBe(1007);
  });

  test('a close reason that is not UTF-8', async () => {
    const payload = Buffer.concat([closePayload(1000), Buffer.from([0xff])]);
    wire.write(frameBytes(payload, { opcode: OPCODE.close }));
    expect(await wire.closed).toBe(1007);
  });
});

describe('size', () => {
  test('a frame of exactly 1 MiB is read', async () => {
    const frame = '{"type":"ping","id":"p"}'.padEnd(1024 * KIB, ' ');
    wire.write(frameBytes(frame));
    await waitFor(() => wire.texts.some((text) => text.includes('"ok"')), { what: 'an answer' });
  });

  test('a frame of more than 1 MiB closes with 4409', async () => {
    wire.write(frameBytes('x'.repeat(1024 * KIB + 1)));
    expect(await wire.closed).toBe(4409);
  });

  test('nothing behind a frame that is too large is looked at', async () => {
    const { length } = target.recording.operations;
    const prompt = '{"type":"prompt","session":"s","generation":"g","input":"x"}';
    wire.write(frameBytes('x'.repeat(1024 * KIB + 1)), frameBytes(prompt), frameBytes(PING));
    expect(await wire.closed).toBe(4409);
    expect(wire.texts).toHaveLength(1);
    expect(target.recording.operations).toHaveLength(length);
  });

  test('the same in many fragments closes with 4409', async () => {
    const part = 'x'.repeat(128 * KIB);
    const parts = Array.from({ length: 9 }, (_, index) =>
      frameBytes(part, { opcode: index === 0 ? OPCODE.text : OPCODE.continuation, fin: index === 8 }),
    );
    wire.write(...parts);
    expect(await wire.closed).toBe(4409);
  });

  test('a header that announces 1 GiB closes with 1009 before any of it comes', async () => {
    const before = process.memoryUsage().rss;
    wire.write(frameBytes('x', { length: 2 ** 30 }));
    expect(await wire.closed).toBe(1009);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * KIB * KIB);
  });

  test('a header that announces 2^63 bytes closes with 1009', async () => {
    wire.write(frameBytes('x', { length: Number.MAX_SAFE_INTEGER * 512 }));
    expect([1009, 1002]).toContain(await wire.closed);
  });

  test('131,072 fragments of one byte are cut off early', async () => {
    const first = frameBytes('x', { fin: false });
    const more = frameBytes('x', { opcode: OPCODE.continuation, fin: false });
    wire.socket.write(Buffer.concat([first, ...Array.from({ length: 131_071 }, () => more)]));
    expect(await wire.closed).toBe(1008);
  });

  test('as many fragments without a byte are cut off as well', async () => {
    const first = frameBytes('', { fin: false });
    const more = frameBytes('', { opcode: OPCODE.continuation, fin: false });
    wire.socket.write(Buffer.concat([first, ...Array.from({ length: 131_071 }, () => more)]));
    expect(await wire.closed).toBe(1008);
  });
});

describe('what is odd but allowed', () => {
  test('a frame in a few fragments with a ping in between is read', async () => {
    wire.write(
      frameBytes(PING.slice(0, 5), { fin: false }),
      frameBytes('in between', { opcode: OPCODE.ping }),
      frameBytes(PING.slice(5), { opcode: OPCODE.continuation }),
    );
    await waitFor(() => wire.texts.some((text) => text.includes('"ok"')), { what: 'an answer' });
  });

  test('a character split over two fragments is read', async () => {
    const bytes = Buffer.from('{"type":"ping","id":"é"}');
    const at = bytes.indexOf(0xc3) + 1;
    wire.write(
      frameBytes(bytes.subarray(0, at), { fin: false }),
      frameBytes(bytes.subarray(at), { opcode: OPCODE.continuation }),
    );
    await waitFor(() => wire.texts.some((text) => text.includes('"re":"é"')), { what: 'an answer' });
  });

  test('a frame that arrives byte by byte is read', async () => {
    wire.socket.setNoDelay(true);
    for (const byte of frameBytes(PING)) wire.socket.write(Buffer.from([byte]));
    await waitFor(() => wire.texts.some((text) => text.includes('"ok"')), { what: 'an answer' });
  });

  test('pongs nobody asked for are ignored', async () => {
    wire.write(...Array.from({ length: 100 }, () => frameBytes('x', { opcode: OPCODE.pong })));
    await alive();
  });

  test.each([1000, 1001, 1012, 3000, 4000, 4999])('close code %d is answered with the same', async (code) => {
    wire.write(frameBytes(closePayload(code), { opcode: OPCODE.close }));
    expect(await wire.closed).toBe(code);
  });

  test('compression is not agreed on', async () => {
    const client = await target.open({}, { headers: { 'sec-websocket-extensions': 'permessage-deflate' } });
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
    client.terminate();
  });

  test('a connection that is cut in the middle of a frame leaves nothing behind', async () => {
    wire.write(frameBytes('x', { length: 100 }));
    wire.socket.resetAndDestroy();
    await waitFor(() => target.edge.tally.connections.get('websocket') === 1, {
      what: 'only the bystander to be left',
    });
  });
});
