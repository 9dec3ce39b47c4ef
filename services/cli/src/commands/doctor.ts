import { Option } from 'commander';
import type { Command } from 'commander';
import type { DoctorOptions } from '../doctor/doctor.ts';
import { defineCommand } from './define.ts';
import { NATS_NOTES, natsOptions } from './nats-options.ts';
import { httpUrl } from './option-values.ts';
import { secretOption, targetOptions } from './target-options.ts';

const command = defineCommand({
  name: 'doctor',
  summary: 'find out what does not work',
  description:
    'Checks everything from NATS to the WebSocket and says what to do. Exit code 1 if anything failed.',
  options: [
    ...targetOptions(),
    ...natsOptions(),
    new Option('--upstream <url>', 'an OpenAI-compatible server to check as well').argParser(httpUrl),
    secretOption('--secret-file', 'check the signature of the token with it (default: $SLUICE_JWT_SECRET)'),
  ],
  notes: `It changes nothing in NATS. ${NATS_NOTES}`,
  examples: [
    'sluice doctor',
    'sluice doctor --url https://ai.example.com --token "$TOKEN" --nats-url nats://nats:4222 --replicas 3',
    'sluice doctor --upstream http://127.0.0.1:11434/v1',
  ],
});

export const doctorCommand = (): Command =>
  command.action(async (options: DoctorOptions) => (await import('../doctor/doctor.ts')).doctor(options));
