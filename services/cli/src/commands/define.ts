import { Command } from 'commander';
import type { Option } from 'commander';

export type CommandOptions = {
  readonly name: string;
  /** one line in the list of commands */
  readonly summary: string;
  /** first paragraphs of the command's own help */
  readonly description: string;
  readonly options: readonly Option[];
  /** last paragraphs of it, before the examples */
  readonly notes?: string;
  readonly examples: readonly string[];
};

export const examplesText = (examples: readonly string[]): string =>
  `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`;

/** A command as all of ours look; the caller adds the action, and arguments if there are any. */
export const defineCommand = (definition: CommandOptions): Command => {
  const { name, summary, description, options, notes, examples } = definition;
  const command = new Command(name).summary(summary).description(description);
  for (const option of options) command.addOption(option);
  const after = examplesText(examples);
  return command.addHelpText('after', notes === undefined ? after : `\n${notes}\n${after}`);
};
