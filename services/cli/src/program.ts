import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { chatCommand } from './commands/chat.ts';
import { examplesText } from './commands/define.ts';
import { doctorCommand } from './commands/doctor.ts';
import { revokeCommand } from './commands/revoke.ts';
import { orgCommand } from './commands/org.ts';
import { sessionsCommand } from './commands/sessions.ts';
import { streamsCommand } from './commands/streams.ts';
import { tailCommand } from './commands/tail.ts';
import { tokenCommand } from './commands/token.ts';
import { upCommand } from './commands/up.ts';
import { usageCommand } from './commands/usage.ts';
import { workerCheckCommand } from './commands/worker-check.ts';
import { PACKAGE } from './place.ts';

const version = (): string => {
  const text = readFileSync(`${PACKAGE}package.json`, 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};

/** The command line. What a command does is loaded when it runs, so that each starts fast. */
export const buildProgram = (): Command => {
  const program = new Command('sluice')
    .description('Resumable, flow-controlled LLM token streams over NATS JetStream.')
    .version(version(), '-V, --version', 'print the version')
    .option('--debug', 'show where an error comes from')
    .addHelpText('after', examplesText(['sluice up', 'sluice chat', 'sluice help up']));
  const forUsers = [upCommand, chatCommand, tailCommand, sessionsCommand];
  const forOperators = [tokenCommand, revokeCommand, orgCommand, usageCommand, doctorCommand];
  for (const make of [...forUsers, ...forOperators, streamsCommand, workerCheckCommand])
    program.addCommand(make());
  return program;
};
