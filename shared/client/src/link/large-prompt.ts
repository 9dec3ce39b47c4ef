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
    const { error } = (await answer.json()) as { readonly error: Omit<ErrorFrame, 'type' | 're'> };
    return { ...error, type: 'error', re };
  } catch (cause) {
    const message = `no answer: ${(cause as Error).message}`;
    return { type: 'error', re, code: 'unavailable', message, retryable: true };
  }
};
