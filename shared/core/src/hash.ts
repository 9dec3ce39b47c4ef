/**
 * 32-bit FNV-1a over the UTF-16 code units of a text, the same in every process and release: partitions
 * of the token log and placement build on it. Not for secrets, nor against people who choose the text.
 * @param seed another one gives another hash; default 0, the standard's
 */
export const fnv1a = (text: string, seed = 0): number => {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
};
