import { expect, test } from '@jest/globals';
import { Screen } from '../src/terminal/screen.ts';

const output = (isTTY: boolean) => {
  const written: string[] = [];
  return { isTTY, columns: 20, written, write: (text: string) => written.push(text) };
};

// Which colours the machine of the test allows is not the point here.
// oxlint-disable-next-line no-control-regex
const plain = (written: readonly string[]): string => written.join('').replaceAll(/\x1b\[[\d;]*m/g, '');

test('a status in the middle of a line of text gets a line of its own, and the next one takes its place', () => {
  const terminal = output(true);
  const screen = new Screen(terminal, output(true));
  screen.write('Half a sen');
  screen.status('lost');
  screen.status('trying');
  screen.note('back');
  screen.write('tence.');
  screen.endLine();
  expect(plain(terminal.written)).toBe('Half a sen\n· lost\r\x1b[K· trying\r\x1b[K· back\ntence.\n');
});

test('a status never wraps, or it could not be replaced', () => {
  const terminal = output(true);
  new Screen(terminal).status('x'.repeat(50));
  expect(plain(terminal.written)).toBe(`· ${'x'.repeat(16)}…`);
});

test('a pipe gets the text alone, and the notes go elsewhere', () => {
  const pipe = output(false);
  const notes = output(true);
  const screen = new Screen(pipe, notes);
  screen.write('answer');
  screen.status('lost');
  screen.note('back');
  screen.endLine();
  screen.endLine();
  expect(plain(pipe.written)).toBe('answer\n');
  expect(plain(notes.written)).toBe('· lost\n· back\n');
});
