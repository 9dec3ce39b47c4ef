import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** What becomes of requests for a WebSocket: a status refuses them, `swallow` never answers. */
export type UpgradeFate = 'pass' | 'swallow' | number;

export type HttpProxy = {
  readonly url: string;
  upgrades: UpgradeFate;
  /** streamed responses are kept back until they end */
  buffersStreams: boolean;
  /** ports of edges that requests go to, one after the other */
  targets: readonly number[];
  /** paths of requests so far, without queries */
  readonly requests: string[];
  /** Cuts what is open. */
  close(): Promise<void>;
};

/** A proxy as networks have them: it speaks HTTP, balances without stickiness, and may not like WebSockets. */
export const startHttpProxy = async (...targets: readonly number[]): Promise<HttpProxy> => {
  let turn = 0;
  const target = (): { host: string; port: number } => {
    turn += 1;
    return { host: '127.0.0.1', port: proxy.targets[turn % proxy.targets.length] ?? 0 };
  };
  const server = createServer((incoming, response) => {
    proxy.requests.push(`${incoming.method ?? ''} ${incoming.url?.split('?')[0] ?? ''}`);
    forward(incoming, response, { ...target(), isBuffering: proxy.buffersStreams });
  });
  server.on('upgrade', (incoming, socket, head) => {
    socket.on('error', () => socket.destroy());
    sockets.add(socket);
    if (proxy.upgrades === 'pass') pass(incoming, socket, head, target());
    else if (proxy.upgrades !== 'swallow')
      socket.end(`HTTP/1.1 ${proxy.upgrades} Refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
  });
  const sockets = new Set<Duplex>();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: HttpProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    upgrades: 'pass',
    buffersStreams: false,
    targets,
    requests: [],
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
};

type Route = { readonly host: string; readonly port: number; readonly isBuffering: boolean };

const forward = (incoming: IncomingMessage, response: ServerResponse, route: Route): void => {
  const { method, url: path, headers } = incoming;
  const outgoing = request({ ...route, method, path, headers, agent: false });
  outgoing.on('error', () => response.destroy());
  response.on('close', () => outgoing.destroy());
  outgoing.on('response', (answer) => {
    answer.on('error', () => response.destroy());
    const isHeld = route.isBuffering && answer.headers['content-type']?.startsWith('text/event-stream');
    if (isHeld === true) answer.on('data', () => undefined).on('end', () => response.end());
    else {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    }
  });
  incoming.pipe(outgoing);
};

/** Copies the upgrade as it came, then the bytes both ways. */
const pass = (
  { method, url, rawHeaders }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { host, port }: { readonly host: string; readonly port: number },
): void => {
  const upstream = connect(port, host);
  const lines = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1] ?? ''}`] : []));
  upstream.write(`${method ?? ''} ${url ?? ''} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  upstream.write(head);
  upstream.pipe(socket).pipe(upstream);
  upstream.on('error', () => socket.destroy());
  upstream.on('close', () => socket.destroy());
  socket.on('close', () => upstream.destroy());
};
