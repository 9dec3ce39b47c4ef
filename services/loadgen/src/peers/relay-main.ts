import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'nats';
import { WebSocketServer } from 'ws';
import { serveRemote } from '../remote.ts';
import { relaySubject } from './relay-subject.ts';

/**
 * The least that a token relay over NATS and WebSockets can cost with their usual libraries: one plain
 * subscription per session, `ws.send` per message. What is missed is lost, and nothing paces it.
 */
const start = async (natsUrl: string): Promise<number> => {
  const nc = await connect({ servers: natsUrl, name: 'bench relay' });
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, perMessageDeflate: false, clientTracking: false });
  sockets.on('connection', (socket, request) => {
    const session = (request.url ?? '/').slice(1);
    const subscription = nc.subscribe(relaySubject(session), {
      callback: (_error, message) => socket.send(message.data, { binary: false }),
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => subscription.unsubscribe());
  });
  await new Promise<void>((resolve) => {
    http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
  });
  return (http.address() as AddressInfo).port;
};

const api = { start };
export type RelayApi = typeof api;

serveRemote(api);
