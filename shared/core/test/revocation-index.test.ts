import { describe, expect, test } from '@jest/globals';
import { parseOrg } from '@sluice/protocol';
import type { Revocation } from '@sluice/protocol';
import fc from 'fast-check';
import { RevocationIndex } from '../src/index.ts';
import type { Bearer, StoredRevocation } from '../src/index.ts';

const NOW = 1_000_000;
const revocation = (
  of: Revocation['of'],
  id: string,
  more: Partial<StoredRevocation> = {},
): StoredRevocation => ({
  ...{ org: parseOrg('acme'), of, id, before: NOW, expiresAt: NOW + 60_000, rev: 1 },
  ...more,
});
const ann = (more: Partial<Bearer> = {}): Bearer => ({
  ...{ org: 'acme', user: 'ann', tokenId: 't1', issuedAt: NOW - 1 },
  ...more,
});
const indexOf = (...all: readonly StoredRevocation[]): RevocationIndex => {
  const index = new RevocationIndex();
  for (const each of all) index.add(each);
  return index;
};

describe('a revocation', () => {
  test.each([
    ['an org', revocation('org', '')],
    ['a user', revocation('user', 'ann')],
    ['a token', revocation('token', 't1')],
  ])('of %s keeps its bearers out, and nobody else', (_name, of) => {
    const index = indexOf(of);
    expect(index.revokes(ann(), NOW)).toBe(true);
    expect(index.revokes(ann({ org: 'globex' }), NOW)).toBe(false);
    expect(index.revokes(ann({ user: 'bob', tokenId: 't2' }), NOW)).toBe(of.of === 'org');
    expect(index.closes('s1', ann(), NOW)).toBe(false);
  });

  test('of a session closes that session alone', () => {
    const index = indexOf(revocation('session', 's1'));
    expect(index.closes('s1', ann(), NOW)).toBe(true);
    expect(index.closes('s2', ann(), NOW)).toBe(false);
    expect(index.closes('s1', ann({ org: 'globex' }), NOW)).toBe(false);
    expect(index.revokes(ann(), NOW)).toBe(false);
  });

  test('lets tokens in that were issued after it, but none that does not say when', () => {
    const index = indexOf(revocation('user', 'ann'), revocation('session', 's1'));
    const outcome = (issuedAt: number | undefined): unknown => [
      index.revokes(ann({ issuedAt }), NOW),
      index.closes('s1', ann({ issuedAt }), NOW),
    ];
    expect(outcome(NOW)).toEqual([true, true]);
    expect(outcome(NOW + 1)).toEqual([false, false]);
    expect(outcome(undefined)).toEqual([true, true]);
  });

  test('of a token counts whenever the token was issued', () => {
    expect(indexOf(revocation('token', 't1')).revokes(ann({ issuedAt: NOW + 5_000 }), NOW)).toBe(true);
    expect(indexOf(revocation('token', '')).revokes(ann({ tokenId: undefined }), NOW)).toBe(false);
  });

  test('counts until it expires, and is forgotten then', () => {
    const index = indexOf(revocation('user', 'ann', { expiresAt: NOW + 10 }));
    expect(index.revokes(ann(), NOW + 9)).toBe(true);
    expect(index.revokes(ann(), NOW + 10)).toBe(false);
    index.expire(NOW + 9);
    expect(index.size).toBe(1);
    index.expire(NOW + 10);
    expect(index.size).toBe(0);
  });

  test('is told from others however its user is named', () => {
    const name = fc.oneof(fc.constantFrom('a', 'a user', 'user a', ''), fc.string());
    fc.assert(
      fc.property(name, name, (revoked, user) => {
        const index = indexOf(revocation('user', revoked));
        expect(index.revokes(ann({ user, tokenId: user }), NOW)).toBe(user === revoked);
      }),
    );
  });
});

describe('an index', () => {
  test('knows the newest of each target, whatever comes late', () => {
    const index = indexOf(
      revocation('user', 'ann', { rev: 5, before: NOW }),
      revocation('user', 'ann', { rev: 4, before: NOW - 100 }),
    );
    expect(index.revokes(ann(), NOW)).toBe(true);
  });

  test('has another version once there is something new, and not for a listing of what is known', () => {
    const known = revocation('user', 'ann', { rev: 3 });
    const index = indexOf(known);
    const { version } = index;
    index.replace([known], 8);
    index.expire(NOW);
    expect(index.version).toBe(version);
    index.replace([known, revocation('user', 'bob', { rev: 9 })], 9);
    expect(index.version).toBeGreaterThan(version);
    expect(index.revokes(ann(), NOW)).toBe(true);
  });

  test('takes a listing for all there is, but for what was heard of after it', () => {
    const index = indexOf(
      revocation('user', 'ann', { rev: 3 }),
      revocation('user', 'bob', { rev: 4 }),
      revocation('user', 'eve', { rev: 9 }),
    );
    index.replace([revocation('user', 'bob', { rev: 4 }), revocation('user', 'dan', { rev: 7 })], 8);
    const isRevoked = (user: string): boolean => index.revokes(ann({ user }), NOW);
    expect(['ann', 'bob', 'eve', 'dan'].map(isRevoked)).toEqual([false, true, true, true]);
  });
});
