import { expect, test } from '@jest/globals';
import { attachedOverSocket, FakeSocket } from '../support/fake-socket.ts';
import { readyFrame } from '../support/fake-transport.ts';
import { delta, end, ids } from '../support/session-frames.ts';

const STRANGE = [
  { type: 'confetti', session: 's' },
  { type: 'presence', session: 's', viewers: 'many' },
  { type: 'presence', session: 's', viewers: 1, present: 3 },
  { type: 'state', ...ids, state: null },
  { type: 'state', ...ids, state: 'dreaming' },
  { type: 'signal', session: 7 },
  { type: 'goaway' },
  { type: 'error' },
];

test('frames that only inform and make no sense are ignored, however many', async () => {
  const { client, socket } = await attachedOverSocket();
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  const generation = client.session('s').generation('g');
  socket.deliver(delta(0, 1, 'a'));
  for (let round = 0; round < 5; round += 1)
    for (const frame of STRANGE) socket.deliverText(JSON.stringify(frame));
  socket.deliver(delta(1, 2, 'b'));
  socket.deliver(end(2));
  expect(await generation.done).toBe('ab');
  expect([client.status, errors]).toEqual([{ type: 'live', transport: 'websocket' }, []]);
  await client.close();
});

test.each([
  JSON.stringify({ type: 'delta', ...ids, epoch: 0, from: 1 }),
  JSON.stringify({ type: 'subscribed', session: 's', rev: 9, viewers: 1, items: [null] }),
  'not even JSON',
])(
  'a frame that must make sense and does not is asked for again, for as long as it takes: %s',
  async (text) => {
    const { client, clock, socket } = await attachedOverSocket();
    const generation = client.session('s').generation('g');
    socket.deliver(delta(0, 1, 'a'));
    let broken = socket;
    for (let round = 0; round < 6; round += 1) {
      broken.deliverText(text);
      expect(client.status.type).toBe('reconnecting');
      clock.advance(10_000);
      await new Promise((resolve) => setImmediate(resolve));
      expect(FakeSocket.newest).not.toBe(broken);
      broken = FakeSocket.newest ?? broken;
      broken.deliver(readyFrame());
      broken.deliver({ type: 'subscribed', session: 's', rev: 0, viewers: 1, items: [] });
    }
    broken.deliver(delta(1, 2, 'b'));
    broken.deliver(end(2));
    expect(await generation.done).toBe('ab');
    await client.close();
  },
);
