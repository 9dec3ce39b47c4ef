import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Engine, EngineRun } from '@sluice/core';
import type { Edge } from '@sluice/edge';
import { openRawClient } from '@sluice/testkit';
import { openCommandLine } from '../support/cli.ts';
import type { CommandLine } from '../support/cli.ts';
import { tokenFor } from '../support/clients.ts';
import { startSystem } from '../support/system.ts';
import type { System } from '../support/system.ts';
import { tell } from './figures.ts';

/** What a person or a model may write, and what a terminal would make of it. */
const TRICKS = {
  title: '\x1b]0;owned\x07',
  clear: '\x1b[2J\x1b[H',
  clipboard: '\x1b]52;c;cm0gLXJmIH4=\x07',
  'one-byte CSI': '\u009b2J',
  overwritten: 'rm -rf ~\rls     ',
  erased: 'rm -rf ~\b\b\b\b\b\b\b\bls',
  'right to left': '\u202egnp.exe\u202c',
  isolated: '\u2066admin\u2069',
  'no width': 'ad\u200bmin\u2060\ufeff',
  tags: '\u{e0041}\u{e007f}',
  'line separator': 'one\u2028two',
} as const;
const TEXT = `${Object.values(TRICKS).join(' ')}\nsecond line\twith a tab end`;

/** Nothing of this may reach a terminal: all controls but line feed and tab, and what has no shape of its own. */
const HARMFUL =
  // oxlint-disable-next-line no-control-regex
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;
const harmIn = (text: string): number => text.match(HARMFUL)?.length ?? 0;

/** A model that was told to attack its readers. */
const hostileEngine: Engine = {
  name: 'hostile',
  models: () => Promise.resolve(['hostile']),
  canContinue: () => true,
  async *generate(): EngineRun {
    await Promise.resolve();
    // A token each: a sequence may come in pieces.
    for (const character of TEXT) yield character;
    return { reason: 'stop' };
  },
  close: () => Promise.resolve(),
};

let system: System;
let edge: Edge;
let cli: CommandLine;

beforeAll(async () => {
  system = await startSystem();
  edge = await system.addEdge();
  await system.addWorker(hostileEngine);
  cli = await openCommandLine();
}, 60_000);
afterAll(async () => {
  await cli.close();
  await system.close();
}, 60_000);

const target = (): readonly string[] => ['--url', edge.url, '--token', tokenFor('ann')];

test('`sluice chat` writes nothing of a model’s tricks to the terminal', async () => {
  const args = ['chat', '--session', 'chat', ...target()];
  const { code, stdout, stderr } = await cli.run(args, { input: 'go\n' });
  expect(code).toBe(0);
  tell('escape sequences of a model in `sluice chat`', { 'harmful characters': harmIn(stdout + stderr) });
  expect(stdout).toContain('\nsecond line\twith a tab');
  expect(harmIn(stdout + stderr)).toBe(0);
}, 60_000);

test('`sluice tail` writes nothing of anybody’s tricks to the terminal', async () => {
  const bob = await openRawClient(`${edge.url.replace('http', 'ws')}/v1/ws`, { token: tokenFor('bob') });
  const session = 'tail';
  bob.send({ type: 'message', id: '1', session, message: 'm', text: TEXT });
  await bob.nextFrame('ok');
  bob.send({ type: 'prompt', session, generation: 'g', input: TEXT, governor: 'none' });
  await bob.nextFrame(({ type, ...frame }) => type === 'item' && JSON.stringify(frame).includes('"done"'));
  const tail = await cli.start(['tail', session, ...target()]);
  await tail.stdout.takeUntil((line) => line.startsWith('· stop,'), 20_000);
  await tail.kill('SIGINT');
  tell('escape sequences of users in `sluice tail`', { 'harmful characters': harmIn(tail.output()) });
  expect(tail.output().match(/second line\twith a tab/g)).toHaveLength(3);
  expect(harmIn(tail.output())).toBe(0);
  bob.close();
}, 60_000);

test('`sluice tail --json` writes them as JSON does, and loses none', async () => {
  const tail = await cli.start(['tail', 'tail', '--json', ...target()]);
  const lines = await tail.stdout.takeUntil((line) => line.includes('"status":"done"'), 20_000);
  await tail.kill('SIGINT');
  tell('escape sequences in `sluice tail --json`', { 'harmful characters': harmIn(lines.join('\n')) });
  expect(harmIn(lines.join('\n'))).toBe(0);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ text: TEXT, input: TEXT });
}, 60_000);

test('`sluice doctor` writes nothing of a server’s or a token’s tricks to the terminal', async () => {
  const token = tokenFor(`ann${TRICKS.title}${TRICKS['right to left']}`);
  const { stdout, stderr } = await cli.run(['doctor', '--url', edge.url, '--token', token]);
  tell('escape sequences of a token in `sluice doctor`', { 'harmful characters': harmIn(stdout + stderr) });
  expect(stdout).toContain('ann');
  expect(harmIn(stdout + stderr)).toBe(0);
}, 60_000);
