const BYTES = 16;

/**
 * 128 random bits as an id. Not `crypto.randomUUID`: a page from plain http on the local network has none. React Native has
 * no `crypto` at all; ids have to differ and need not be secret, so other chance does there.
 */
export const newId = (): string => {
  const bytes = new Uint8Array(BYTES);
  const { crypto } = globalThis as { readonly crypto?: Partial<Crypto> };
  if (crypto?.getRandomValues) crypto.getRandomValues(bytes);
  else for (const at of bytes.keys()) bytes[at] = Math.random() * 256;
  return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('');
};
