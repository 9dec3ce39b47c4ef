/** A coding agent as people run it, in a folder of its own, over `/v1/responses`; the model is played. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { startChild, waitFor } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { tokenFor } from './support/clients.ts';
import { outside } from './support/outside.ts';
import { calls, MODEL, play, refuses, says, startStage, thinks } from './support/played-model.ts';
import type { Plays, Stage } from './support/played-model.ts';

const agent = await outside('agent-cli.sh', 10_000);

const SCHEMA = {
  ...{ type: 'object', properties: { lines: { type: 'number' } } },
  ...{ required: ['lines'], additionalProperties: false },
};
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const command = (cmd: string) => calls(['exec_command', { cmd }]);

const PLAYS: Plays = {
  errand: ({ results }) =>
    [
      command('cat notes.txt'),
      command('printf done > made.txt && cat made.txt'),
      says(`I saw: ${results.map((result) => (result.includes('sluice gate') ? 'gate' : 'done')).join()}.`),
    ][Math.min(results.length, 2)] ?? {},
  again: ({ messages }) =>
    says(`I remember ${messages.filter(({ role }) => role === 'tool').length} results.`),
  structured: () => says('{"lines":3}'),
  thought: () => thinks('**Weighing it**', 'Yes.'),
  'a long prompt': () => refuses(400, { message: 'it is too long', code: 'context_length_exceeded' }),
  'a bad tool': () => refuses(400, { message: 'its name is too long', code: 'invalid_value' }),
  'broken once': ({ times }) => (times === 0 ? refuses(500, { message: 'broken' }) : says('Mended.')),
  'breaks off once': ({ times }) => (times === 0 ? { errorAtToken: 10 } : says('Whole.')),
  endless: () => ({ hangAtToken: 10 }),
};

let stage: Stage;
let folder: string;
beforeAll(async () => {
  if (agent.path === '') return;
  stage = await startStage(PLAYS);
  folder = await mkdtemp(join(tmpdir(), 'sluice-agent-'));
  await mkdir(join(folder, 'home'));
  await writeFile(join(folder, 'notes.txt'), 'mind the sluice gate\n');
  await writeFile(join(folder, 'dot.png'), PNG);
  await writeFile(join(folder, 'schema.json'), JSON.stringify(SCHEMA));
  const settings = [
    ...[`model = "${MODEL}"`, 'model_provider = "sluice"', 'check_for_update_on_startup = false'],
    ...['model_reasoning_summary = "auto"', 'model_supports_reasoning_summaries = true'],
    ...['[analytics]', 'enabled = false'],
    ...['[model_providers.sluice]', 'name = "Sluice"', `base_url = "${stage.url}/v1"`],
    ...[
      'env_key = "SLUICE_TOKEN"',
      'wire_api = "responses"',
      'request_max_retries = 2',
      'stream_max_retries = 2',
    ],
  ];
  await writeFile(join(folder, 'home', 'config.toml'), settings.join('\n'));
});
afterAll(async () => {
  await stage?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

const start = (...args: readonly string[]): Promise<Child> =>
  // The tests run loopback only: whatever else it wants to reach ends at a closed port.
  startChild('/bin/sh', ['-c', 'exec "$0" "$@" </dev/null', agent.path, 'exec', ...args], {
    cwd: folder,
    env: {
      ...{ CODEX_HOME: join(folder, 'home'), SLUICE_TOKEN: tokenFor('ann') },
      ...{ HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' },
    },
  });

const FLAGS = ['--json', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox'];

type Told = { readonly type: string; readonly [field: string]: unknown };

/** Runs it to its end. @returns the events that it tells */
const told = async (
  ...args: readonly string[]
): Promise<{ code: number | null; events: readonly Told[] }> => {
  const child = await start(...args);
  const { code } = await child.exited;
  const events = child
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Told);
  return { code, events };
};

// compat(codex): tools, response stream, usage, history
agent.test(
  'does an errand in three steps, and remembers it in the next run',
  async () => {
    const { code, events } = await told(...FLAGS, play('errand'));
    expect({ code, events }).toMatchObject({ code: 0 });
    const items = events.filter(({ type }) => type === 'item.completed').map(({ item }) => item);
    expect(items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          type: 'command_execution',
          exit_code: 0,
          aggregated_output: 'mind the sluice gate\n',
        }),
        expect.objectContaining({ type: 'command_execution', exit_code: 0, aggregated_output: 'done' }),
        expect.objectContaining({ type: 'agent_message', text: 'I saw: gate,done.' }),
      ]),
    );
    expect(events.at(-1)).toMatchObject({
      type: 'turn.completed',
      usage: { input_tokens: 33, output_tokens: 21 },
    });
    const next = await told('resume', '--last', ...FLAGS, play('again'));
    expect(JSON.stringify(next.events)).toContain('I remember 2 results.');
  },
  60_000,
);

// compat(codex): reasoning
agent.test(
  'shows what the model thinks as the summary that it asks for',
  async () => {
    const { code, events } = await told(...FLAGS, play('thought'));
    expect({ code, events }).toMatchObject({ code: 0 });
    expect(events.map(({ item }) => item)).toContainEqual(
      expect.objectContaining({ type: 'reasoning', text: '**Weighing it**' }),
    );
  },
  60_000,
);

// compat(codex): structured output, parts
agent.test(
  'answers by a schema, with an image in its request',
  async () => {
    const { code, events } = await told(
      ...FLAGS,
      '--output-schema',
      'schema.json',
      play('structured'),
      '-i',
      'dot.png',
    );
    expect({ code, events }).toMatchObject({ code: 0 });
    expect(events).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          item: expect.objectContaining({ type: 'agent_message', text: '{"lines":3}' }),
        }),
      ]),
    );
    const { messages, response_format } = stage.mock.requests.at(-1)?.body ?? {};
    expect(JSON.stringify(messages)).toContain('"image_url":{"url":"data:image/png;base64,');
    expect(response_format).toMatchObject({ type: 'json_schema' });
  },
  60_000,
);

// compat(codex): error status
agent.test.each([
  ['a bad tool', 'its name is too long'],
  // It knows what to make of the code.
  ['a long prompt', 'ran out of room in the model'],
])(
  'says what the engine said of %s, and does not ask again',
  async (name, message) => {
    const asked = stage.mock.requests.length;
    const { code, events } = await told(...FLAGS, play(name));
    expect(code).not.toBe(0);
    expect(JSON.stringify(events)).toContain(message);
    expect(stage.mock.requests.length - asked).toBe(1);
  },
  60_000,
);

// compat(codex): retry, error in stream
agent.test.each([
  ['broken once', 'Mended.'],
  ['breaks off once', 'Whole.'],
])(
  'asks again by itself: %s',
  async (name, answer) => {
    const { code, events } = await told(...FLAGS, play(name));
    expect({ code, events }).toMatchObject({ code: 0 });
    expect(JSON.stringify(events)).toContain(answer);
  },
  60_000,
);

// compat(codex): abort
agent.test(
  'leaves the engine when it is stopped',
  async () => {
    const asked = stage.mock.requests.length;
    const child = await start(...FLAGS, play('endless'));
    await waitFor(() => (stage.mock.requests[asked]?.tokensSent ?? 0) > 5, { what: 'some tokens' });
    await child.kill('SIGINT');
    await waitFor(() => stage.mock.requests[asked]?.closedAt !== undefined, {
      what: 'the engine to be left',
    });
  },
  60_000,
);
