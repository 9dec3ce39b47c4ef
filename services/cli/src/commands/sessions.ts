import { Option } from 'commander';
import type { Command } from 'commander';
import type { ListOptions } from '../sessions/sessions.ts';
import type { TargetOptions } from '../edge/target.ts';
import { defineCommand } from './define.ts';
import { id, listLimit } from './option-values.ts';
import { targetOptions } from './target-options.ts';

const list = (): Command =>
  defineCommand({
    name: 'list',
    summary: 'list sessions, newest activity first',
    description: 'Lists the sessions that the token reaches, newest activity first.',
    options: [
      ...targetOptions(),
      new Option('--user <name>', 'only sessions that this user created'),
      new Option('--limit <n>', 'at most so many').argParser(listLimit).default(20),
      new Option('--json', 'sessions as lines of JSON'),
    ],
    examples: ['sluice sessions list', 'sluice sessions list --user ann --json'],
  }).action(async (options: ListOptions) => (await import('../sessions/sessions.ts')).list(options));

const rename = (): Command =>
  defineCommand({
    name: 'rename',
    summary: 'give a session a title',
    description: 'Gives a session a title; an empty one removes the title it has.',
    options: targetOptions(),
    examples: ['sluice sessions rename trip-to-rome "Rome in May"'],
  })
    .argument('<session>', 'id of the session', id)
    .argument('<title>', 'what lists call it')
    .action(async (session: string, title: string, options: TargetOptions) =>
      (await import('../sessions/sessions.ts')).rename(session, title, options),
    );

const remove = (): Command =>
  defineCommand({
    name: 'delete',
    summary: 'delete a session, or one of its items',
    description:
      'Deletes a session and erases all that was said in it. What runs is stopped. There is no way back.',
    options: [...targetOptions(), new Option('--item <id>', 'only this item').argParser(id)],
    examples: ['sluice sessions delete trip-to-rome', 'sluice sessions delete trip-to-rome --item m1'],
  })
    .argument('<session>', 'id of the session', id)
    .action(async (session: string, options: TargetOptions & { readonly item?: string }) =>
      (await import('../sessions/sessions.ts')).remove(session, options),
    );

export const sessionsCommand = (): Command => {
  const command = defineCommand({
    name: 'sessions',
    summary: 'list, rename and delete sessions',
    description: 'Sessions as things: list, rename and delete them.',
    options: [],
    examples: ['sluice sessions list', 'sluice sessions delete trip-to-rome'],
  });
  for (const make of [list, rename, remove]) command.addCommand(make());
  return command;
};
