import { expect, test } from '@jest/globals';
import { tableOf } from '../src/usage/usage-table.ts';

test('usage is printed in columns, numbers to the right', () => {
  expect(tableOf('user,model,generations\r\nann,small,12\r\nbob,"a,""b""",3\r\n')).toBe(
    'user  model  generations\nann   small           12\nbob   a,"b"            3\n',
  );
});

test('a user’s name cannot speak to the terminal', () => {
  const table = tableOf('user,generations\r\n"a\u001b]0;x\u0007\u202eb\r\nc",1\r\n');
  expect(table).toContain('a�]0;x��b��c');
});
