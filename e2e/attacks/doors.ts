import { randomBytes } from 'node:crypto';
import { requestText, textFrame, upgradeText } from './raw-socket.ts';

const KIB = 1024;

/** One way into an edge, and the worst that was found to say there without a credential. */
export type Door = {
  readonly name: string;
  /** what a connection begins with */
  readonly greeting?: string;
  /** what follows, over and over */
  readonly flood: Uint8Array;
};

/** The schema refuses all of these keys. */
const badKeys = JSON.stringify(
  Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`*${index}`, 0])),
);
const subscribe = `{"type":"subscribe","session":"s","positions":${badKeys}}`;
const zeros = `[${'0,'.repeat(20_000)}0]`;
const chat = JSON.stringify({
  type: 'send',
  requestId: 'r',
  id: 'c',
  headers: { authorization: 'Bearer x' },
});
const send = `${chat.slice(0, -1)},"messages":${zeros}}`;
const asJson = { 'content-type': 'application/json' };
const bearer = { authorization: 'Bearer a.b.c' };

const repeated = (text: string): Uint8Array => Buffer.from(text.repeat(Math.ceil((32 * KIB) / text.length)));
const ping = Buffer.concat([Buffer.from([0x89, 0x84]), randomBytes(8)]);

export const DOORS: readonly Door[] = [
  { name: 'WebSocket, subscribe', greeting: upgradeText(), flood: textFrame(subscribe) },
  {
    name: 'WebSocket, small frames',
    greeting: upgradeText(),
    flood: Buffer.concat(Array.from({ length: 1_000 }, () => textFrame('{"type":"ping"}'))),
  },
  {
    name: 'WebSocket, pings',
    greeting: upgradeText(),
    flood: Buffer.concat(Array.from({ length: 3_000 }, () => ping)),
  },
  {
    name: 'AI SDK, send',
    greeting: upgradeText('/v1/ai-sdk', { 'sec-websocket-protocol': 'sluice.ai-sdk.v1' }),
    flood: textFrame(send),
  },
  { name: 'upgrades', flood: Buffer.from(upgradeText('/v1/ws', bearer)) },
  {
    name: 'REST, no token',
    flood: Buffer.from(requestText('POST', '/api/chat', { headers: asJson, body: zeros })),
  },
  {
    name: 'REST, bad token',
    flood: Buffer.from(
      requestText('PUT', '/v1/sessions/s/generations/g', {
        headers: { ...asJson, ...bearer },
        body: badKeys,
      }),
    ),
  },
  { name: 'nowhere', flood: Buffer.from(requestText('POST', '/nowhere', { headers: asJson, body: zeros })) },
  { name: 'requests in a row', flood: repeated(requestText('GET', '/v1/models')) },
  { name: 'bad tokens in a row', flood: repeated(requestText('GET', '/v1/models', { headers: bearer })) },
  { name: 'frames over HTTP', flood: repeated(requestText('POST', '/v1/connections', { headers: bearer })) },
  { name: 'documents', flood: repeated(requestText('GET', '/v1/openapi.json')) },
];
