import { afterEach, expect, test } from '@jest/globals';
import { isId } from '@sluice/protocol';
import { newId } from '../src/new-id.ts';

const real = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
afterEach(() => {
  if (real !== undefined) Object.defineProperty(globalThis, 'crypto', real);
});

test.each([
  ['with a full crypto', real?.get?.call(globalThis) as unknown],
  ['without randomUUID', { getRandomValues: (bytes: Uint8Array) => bytes.fill(255 * Math.random()) }],
  ['without getRandomValues', {}],
  ['without crypto', undefined],
])('ids are good and differ on a platform %s', (_, value) => {
  Object.defineProperty(globalThis, 'crypto', { value, configurable: true });
  const ids = Array.from({ length: 3 }, newId);
  expect(ids.filter((id) => isId(id) && id.length === 32)).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
