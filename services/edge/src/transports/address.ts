/** A base URL that ends with the version, in front of a path that begins with it. */
const REPEATED_VERSION = /^(?:\/v1)+(?=\/v1\/)/;

/** Not every client encodes the slashes in the id of a model. */
const MODEL = /(?<=^\/v1\/models\/).+/;

/**
 * The address that a client meant. A base URL with or without a slash at its end, or with the version in it, and the path
 * behind make `//v1/models`, `/v1/v1/models` or `/v1/models/`.
 */
export const addressOf = (url: string): string => {
  const [path = '', ...query] = url.split('?');
  const plain = path.replaceAll(/\/{2,}/g, '/').replace(REPEATED_VERSION, '');
  const meant = plain.length > 1 ? plain.replace(/\/$/, '') : plain;
  return [meant.replace(MODEL, (id) => id.replaceAll('/', '%2F')), ...query].join('?');
};
