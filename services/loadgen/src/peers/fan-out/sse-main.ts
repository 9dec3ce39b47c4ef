import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { serveFanOut } from './fan-out-server.ts';

/** Server-sent events with node:http: `response.write` in a loop, the event made once for all. */
serveFanOut(() => {
  const responses = new Set<ServerResponse>();
  const server = createServer({ noDelay: true }, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.flushHeaders();
    responses.add(response);
    response.on('close', () => responses.delete(response));
  });
  const send = (json: string): void => {
    const event = Buffer.from(`data: ${json}\n\n`);
    for (const response of responses) response.write(event);
  };
  return { server, send };
});
