import { expect, test } from '@jest/globals';
import { isAdmin, maySignal } from '../src/access-token.ts';
import { fragmentOf, parseFragment } from '../src/address.ts';

test('a fragment gives a token, a session and a view, and no session that cannot be one', () => {
  expect(parseFragment('#token=a.b.c&session=s-1')).toEqual({ token: 'a.b.c', session: 's-1', view: 'chat' });
  expect(parseFragment('#session=a.b&view=operations')).toEqual({
    token: undefined,
    session: undefined,
    view: 'operations',
  });
  expect(parseFragment('#view=other')).toEqual({ token: undefined, session: undefined, view: 'chat' });
});

test('a place is written as it is read, and never with a token', () => {
  for (const fragment of ['', '#session=s-1', '#session=s-1&view=operations', '#view=operations'])
    expect(fragmentOf(parseFragment(fragment))).toBe(fragment);
  expect(fragmentOf(parseFragment('#token=secret&session=s'))).toBe('#session=s');
});

const tokenWith = (payload: unknown): string => {
  const bytes = new TextEncoder().encode(JSON.stringify(payload));
  const base64 = btoa(String.fromCharCode(...bytes));
  return `x.${base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.y`;
};

test('the dashboard is offered to whose token says admin, and to nobody else', () => {
  expect(isAdmin(tokenWith({ scope: 'read admin', sub: 'ö' }))).toBe(true);
  for (const token of [
    '',
    'x',
    'a.b.c',
    tokenWith({}),
    tokenWith({ scope: 'read administrator' }),
    tokenWith(null),
  ])
    expect(isAdmin(token)).toBe(false);
});

test('typing is told with a token that may signal, or that names no scopes', () => {
  for (const payload of [{}, { scope: 'read signal' }]) expect(maySignal(tokenWith(payload))).toBe(true);
  for (const token of ['', 'x', tokenWith({ scope: 'read prompt' })]) expect(maySignal(token)).toBe(false);
});
