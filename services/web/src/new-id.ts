const BYTES = 16;

/** 128 random bits as an id. Not `crypto.randomUUID`: a page from plain http on the local network has none. */
export const newId = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(BYTES))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
