import { expect, test } from '@jest/globals';
import { Turns } from '../src/tail/turns.ts';

const table = () => {
  const shown: string[] = [];
  const turns = new Turns((id) => shown.push(`[${id}]`));
  const say = (id: string, text: string, now = 0): void => turns.say(id, now, () => shown.push(text));
  return { shown, turns, say };
};

test('the first one speaks as it goes, the second when the first has ended', () => {
  const { shown, turns, say } = table();
  say('a', 'a1');
  say('b', 'b1');
  say('a', 'a2');
  say('b', 'b2');
  expect(shown).toEqual(['a1', 'a2']);
  turns.end('a', 0);
  expect(shown).toEqual(['a1', 'a2', 'b1', 'b2']);
  say('b', 'b3');
  expect(shown.at(-1)).toBe('b3');
});

test('one that ended while it waited is shown whole, and so is who waits behind it', () => {
  const { shown, turns, say } = table();
  say('a', 'a1');
  say('b', 'b1');
  turns.end('b', 0);
  say('c', 'c1');
  turns.end('a', 0);
  expect(shown).toEqual(['a1', 'b1', 'c1']);
});

test('one that falls silent lets the next one speak, and is announced when it goes on', () => {
  const { shown, turns, say } = table();
  say('a', 'a1', 0);
  say('b', 'b1', 500);
  expect(shown).toEqual(['a1']);
  say('b', 'b2', 1_500);
  expect(shown).toEqual(['a1', 'b1', 'b2']);
  say('a', 'a2', 1_600);
  turns.end('b', 1_700);
  expect(shown).toEqual(['a1', 'b1', 'b2', '[a]', 'a2']);
});
