import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { SUBPROTOCOL } from '@sluice/protocol';

/** What one WebSocket upgrade through the public URL came to; `found` goes on after "expected …, ". */
export type Upgrade = { readonly ok: boolean; readonly found: string };

const TIMEOUT_MS = 5_000;

const endpoint = (text: string): URL => {
  const url = new URL(text);
  url.protocol = url.protocol.replace(/^ws/, 'http');
  if (url.pathname === '/') url.pathname = '/v1/ws';
  return url;
};

const judge = ({ statusCode, headers }: IncomingMessage): Upgrade => {
  const subprotocol = headers['sec-websocket-protocol'];
  if (statusCode !== 101)
    return {
      ok: false,
      found: `got HTTP ${statusCode}: that is no edge, or a proxy that does not pass upgrades on`,
    };
  if (subprotocol !== SUBPROTOCOL)
    return { ok: false, found: `got a WebSocket that does not speak ${SUBPROTOCOL}` };
  return { ok: true, found: `HTTP 101, ${SUBPROTOCOL}` };
};

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name cannot be looked up',
  ECONNRESET: 'the connection was reset',
};

/**
 * Asks for an upgrade by hand: a WebSocket library keeps to itself whether nobody listens, a proxy stands in
 * between or something else answers. No credential is sent.
 */
export const probeUpgrade = async (text: string): Promise<Upgrade> => {
  const url = endpoint(text);
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return new Promise((resolve) => {
    const asked = request(url, {
      timeout: TIMEOUT_MS,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
        'sec-websocket-protocol': SUBPROTOCOL,
      },
    });
    const done = (result: Upgrade): void => {
      resolve(result);
      asked.destroy();
    };
    asked.once('upgrade', (response) => done(judge(response)));
    asked.once('response', (response) => done(judge(response)));
    asked.once('timeout', () => done({ ok: false, found: `got no answer within ${TIMEOUT_MS / 1_000} s` }));
    asked.on('error', (error: NodeJS.ErrnoException) =>
      done({ ok: false, found: REASONS[error.code ?? ''] ?? error.message }),
    );
    asked.end();
  });
};
