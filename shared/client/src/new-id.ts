const BYTES = 16;

/** 128 random bits as an id. Not `crypto.randomUUID`: a page from plain http on the local network has none. */
export const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(BYTES)), (byte) =>
    (byte + 256).toString(16).slice(1),
  ).join('');
