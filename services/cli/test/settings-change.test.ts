import { describe, expect, test } from '@jest/globals';
import { changeSettings } from '../src/org/settings-change.ts';

describe('changes of an org’s settings', () => {
  test('leave the other fields as they are', () => {
    const before = { quota: { org: { generations: 5 } }, models: ['a'] };
    const after = changeSettings(before, ['quota.org.connections=10', 'price.output=0.6']);
    expect(after).toEqual({
      quota: { org: { generations: 5, connections: 10 } },
      models: ['a'],
      price: { output: 0.6 },
    });
  });

  test('take off a field without a value, and what it was alone on', () => {
    const before = { quota: { org: { generations: 5 } }, models: ['a', 'b'] };
    expect(changeSettings(before, ['quota.org.generations=', 'models=b, c'])).toEqual({ models: ['b', 'c'] });
  });

  test.each([
    ['quota.org.conections=10', /conections/],
    ['quota.all.connections=10', /all/],
    ['__proto__.x=1', /__proto__|field/],
    ['colour=blue', /colour/],
    ['quota.org.connections=many', /quota\.org\.connections/],
    ['quota.org.connections=-1', /quota\.org\.connections/],
    ['retention.sessionsMs=1', /retention\.sessionsMs/],
    ['models=,', /models/],
    ['connections', /expected <field>=<value>/],
  ])('are refused where they say %p', (field, message) => {
    expect(() => changeSettings({}, [field])).toThrow(message);
  });
});
