/** A process for process.test.ts: does what its first argument names. */
import { startChild } from '../src/index.ts';

const mode = process.argv[2];

if (mode === 'serve') {
  console.log('a line before');
  console.log('{ not json');
  console.log(JSON.stringify({ ready: true, demo: process.env['DEMO'] }));
  console.error('log line');
  setInterval(() => {}, 1_000);
}
if (mode === 'fail') {
  console.error('no port');
  process.exitCode = 3;
}
if (mode === 'parent') {
  const child = await startChild('sleep', ['60']);
  console.log(JSON.stringify({ pid: child.pid }));
  setInterval(() => {}, 1_000);
}
