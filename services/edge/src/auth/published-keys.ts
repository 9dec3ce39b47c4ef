import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { verificationKeyOf } from './verification-key.ts';
import type { VerificationKey } from './verification-key.ts';

/** How long a provider may take to answer, ms. */
const FETCH_TIMEOUT_MS = 5_000;
const MAX_SET_BYTES = 1024 * 1024;
/** Each key costs a comparison per token. */
const MAX_KEYS = 200;

/** A key as its provider names it. `kid` is any string. */
export type PublishedKey = VerificationKey & { readonly kid: string };

const named = { kid: z.string(), use: z.literal('sig').optional() };
// What else a key may say is left out, a private part above all.
const keySchema = z.discriminatedUnion('kty', [
  z.object({
    ...{ ...named, alg: z.literal('RS256').optional() },
    ...{ kty: z.literal('RSA'), n: z.string(), e: z.string() },
  }),
  z.object({
    ...{ ...named, alg: z.literal('ES256').optional() },
    ...{ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() },
  }),
]);
const setSchema = z.object({ keys: z.array(z.unknown()).max(MAX_KEYS) });

/**
 * Reads a key set (RFC 7517). Keys that are not for signatures, of other kinds or without a `kid` are passed over.
 * @throws Error when it cannot be read, or holds no key that can be used
 */
export const fetchKeys = async (url: string): Promise<readonly PublishedKey[]> => {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`key set: expected status 200, got ${response.status}`);
  }
  const { keys } = setSchema.parse(JSON.parse(await textOf(response)));
  const usable = keys.flatMap(usableKey);
  if (usable.length === 0)
    throw new Error('key set: expected a key for RS256 or ES256 with a `kid`, got none');
  return usable;
};

const usableKey = (value: unknown): readonly PublishedKey[] => {
  const parsed = keySchema.safeParse(value);
  if (!parsed.success) return [];
  const { kid, use: _use, alg: _alg, ...key } = parsed.data;
  try {
    return [{ ...verificationKeyOf(createPublicKey({ key, format: 'jwk' })), kid }];
  } catch {
    // A key that is none harms nobody but its tokens.
    return [];
  }
};

const textOf = async ({ body }: Response): Promise<string> => {
  if (body === null) return '';
  const stream: AsyncIterable<Uint8Array> = body;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stream) {
    bytes += part.length;
    if (bytes > MAX_SET_BYTES) throw new Error(`key set: expected at most ${MAX_SET_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
};
