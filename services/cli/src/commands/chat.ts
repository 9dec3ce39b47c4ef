import { Option } from 'commander';
import type { Command } from 'commander';
import type { ChatOptions } from '../chat/chat.ts';
import { defineCommand } from './define.ts';
import { id } from './option-values.ts';
import { targetOptions } from './target-options.ts';

const command = defineCommand({
  name: 'chat',
  summary: 'talk to a model in this terminal',
  description:
    'A chat in this terminal that survives lost connections. Ctrl-C stops an answer; at the prompt it leaves.',
  options: [
    ...targetOptions(),
    new Option('--session <id>', 'which conversation (default: a new one)').argParser(id),
    new Option('--model <name>', 'which model (default: that of the edge, SLUICE_DEFAULT_MODEL)'),
  ],
  notes: 'With input from a pipe each line is a prompt, and stdout gets the answers alone.',
  examples: [
    'sluice chat',
    'sluice chat --session trip-to-rome',
    "echo 'What is a sluice?' | sluice chat",
    'sluice chat --url https://ai.example.com --token "$TOKEN"',
  ],
});

export const chatCommand = (): Command =>
  command.action(async (options: ChatOptions) => (await import('../chat/chat.ts')).chat(options));
