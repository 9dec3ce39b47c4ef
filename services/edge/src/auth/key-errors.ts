/** The key set could not be read, so nothing is known about the token. */
export class KeysUnavailableError extends Error {
  readonly code = 'unavailable';
}

/** No configured key fits the token. */
export class NoKeyError extends Error {}
