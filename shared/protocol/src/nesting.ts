import { MAX_NESTING } from './limits.ts';

const nestsAtMost = (value: unknown, levels: number): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (levels > 0 && Object.values(value).every((inner) => nestsAtMost(inner, levels - 1)));

/** For values whose inside is somebody else's own: JSON.parse takes any depth, JSON.stringify does not. */
export const isShallow = (value: unknown): boolean => nestsAtMost(value, MAX_NESTING);
