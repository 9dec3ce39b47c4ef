import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { openEventStream } from '@sluice/testkit';
import type { FastifyReply } from 'fastify';
import type { EdgeContext } from '../../src/connections/edge-context.ts';
import { EdgeTally } from '../../src/tally/edge-tally.ts';
import { EventStream } from '../../src/transports/event-stream.ts';
import type { EventView } from '../../src/transports/event-view.ts';

test('a view that fails ends its own stream, and whoever sent the frame does not notice', async () => {
  const view: EventView = ({ type }) => {
    if (type === 'pong') return { text: 'data: fine\n\n' };
    throw new Error('of the view');
  };
  const events: string[] = [];
  const context = {
    clock: { now: () => 0 },
    logger: { error: (event: string) => void events.push(event), debug: () => undefined },
    tally: new EdgeTally(),
  } as unknown as EdgeContext;
  const server = createServer((_request, raw: ServerResponse) => {
    const reply = { raw, hijack: () => undefined, getHeaders: () => ({}) } as unknown as FastifyReply;
    const stream = new EventStream(reply, { grant: {} as never, view, endsAt: Infinity }, context);
    stream.say({ type: 'pong' });
    stream.say({ type: 'expiring', expiresAt: 0 });
    stream.say({ type: 'pong' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stream = await openEventStream(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await stream.closed;
  expect(stream.events.map(({ data }) => data)).toEqual(['fine']);
  expect(events).toEqual(['event_failed']);
  server.close();
});
