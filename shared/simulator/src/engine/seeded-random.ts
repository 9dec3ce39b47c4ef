/**
 * Deterministic numbers without state: the same inputs give the same number in every process, so a run
 * can be entered at any token. Not for secrets.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** 32-bit FNV-1a over the UTF-16 code units of `text`. */
export const hashText = (text: string, seed = 0): number => {
  let hash = (FNV_OFFSET ^ seed) >>> 0;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return mix(hash, 0);
};

/** Mixes two 32-bit numbers into one whose bits all depend on all of theirs (murmur3's finaliser). */
export const mix = (a: number, b: number): number => {
  let hash = (a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b)) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

/** A number in [0, 1), fixed by its two inputs. */
export const unit = (seed: number, index: number): number => mix(seed, index) / 2 ** 32;
