import { fnv1a } from '@sluice/core';

/**
 * Deterministic numbers without state: the same inputs give the same number in every process, so a run
 * can be entered at any token. Not for secrets.
 */

/** A number fixed by a text. */
export const hashText = (text: string, seed = 0): number => mix(fnv1a(text, seed), 0);

/** Mixes two 32-bit numbers into one whose bits all depend on all of theirs (murmur3's finaliser). */
export const mix = (a: number, b: number): number => {
  let hash = (a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b)) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

/** A number in [0, 1), fixed by its two inputs. */
export const unit = (seed: number, index: number): number => mix(seed, index) / 2 ** 32;
