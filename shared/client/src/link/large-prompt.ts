import type { ErrorFrame, OkFrame, PromptFrame } from '@sluice/protocol';
import type { Endpoint } from './transport.ts';
import type { Fetch } from './http-calls.ts';

export type LargePrompt = Endpoint & {
  readonly fetch: Fetch;
  readonly frame: PromptFrame & { readonly id: string };
};

/** A prompt that no frame holds, as a request of its own. @returns the answer that the frame would have got */
export const putPrompt = async ({ url, token, fetch, frame }: LargePrompt): Promise<OkFrame | ErrorFrame> => {
  const { type: _type, id: re, session, generation, ...body } = frame;
  const target = new URL(`sessions/${session}/generations/${generation}`, url);
  target.protocol = target.protocol.replace('ws', 'http');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  try {
    // What nobody watches is parked, as where it comes in a frame.
    const request = { method: 'PUT', headers, body: JSON.stringify({ onAbandon: 'park', ...body }) };
    const answer = await fetch(target.href, request);
    if (answer.ok) return { type: 'ok', re, generation, created: answer.status === 201 };
    const told = (await answer.json().catch(() => undefined)) as Refusal | undefined;
    return { ...(told?.error ?? refusalOf(answer.status, target.href)), type: 'error', re };
  } catch (cause) {
    const message = `no answer: ${(cause as Error).message}`;
    return { type: 'error', re, code: 'unavailable', message, retryable: true };
  }
};

type Told = Omit<ErrorFrame, 'type' | 're'>;
type Refusal = { readonly error?: Told };

/** What a server that is no edge means: a proxy, or one at another address. */
const refusalOf = (status: number, url: string): Told => {
  const message = `HTTP ${status} at ${url}`;
  if (status === 404) return { code: 'not_found', message, retryable: false };
  if (status === 413) return { code: 'too_large', message, retryable: false };
  return { code: 'unavailable', message, retryable: true };
};
