import { readChain, tokensOf } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { connect } from '@sluice/client';
import type { Client, ConnectOptions } from '@sluice/client';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { GenerationKey, Token } from '@sluice/protocol';
import { mintToken } from '@sluice/testkit';
import { recordFetch, recordSockets } from './recording.ts';
import type { RecordedSocket } from './recording.ts';
import { SECRET } from './system.ts';

export const ORG = 'acme';

export const tokenFor = (user: string, org = ORG): string => mintToken({ org, user, secret: SECRET });

/** Of somebody who may see the figures. */
export const adminTokenFor = (user: string, org = ORG): string =>
  mintToken({ org, user, secret: SECRET, scope: 'read prompt cancel signal admin' });

export type RecordedClient = { readonly client: Client; readonly sockets: readonly RecordedSocket[] };

/** An SDK client that reconnects quickly and whose raw frames are kept; by WebSocket unless said otherwise. */
export const recordedClient = (
  url: string,
  user = 'ann',
  options: Partial<ConnectOptions> = {},
): RecordedClient => {
  const sockets: RecordedSocket[] = [];
  const client = connect({
    url,
    token: tokenFor(user),
    transports: ['websocket'],
    WebSocket: recordSockets(sockets).WebSocket as never,
    fetch: recordFetch(sockets),
    backoff: { baseMs: 5, capMs: 50 },
    ...options,
  });
  return { client, sockets };
};

export const keyOf = (session: string, generation: string, org = ORG): GenerationKey => ({
  org: parseOrg(org),
  session: parseSessionId(session),
  generation: parseGenerationId(generation),
});

/** The tokens of a generation as the log stores them. */
export const storedTokens = async (bus: Bus, key: GenerationKey): Promise<readonly Token[]> => {
  const head = await bus.tokens.head(key);
  if (head === undefined) return [];
  const chain = await readChain(bus.tokens, key, head, 0);
  if (!chain.complete) throw new Error(`expected every chunk up to ${head.chunk}, some are missing`);
  return tokensOf(chain);
};

export const storedText = async (bus: Bus, key: GenerationKey): Promise<string> =>
  (await storedTokens(bus, key)).map((token) => (typeof token === 'string' ? token : '')).join('');
