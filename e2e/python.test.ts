/** Clients for Python, in a venv of their own: e2e/outside has their tests, run by one pytest. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { startChild } from '@sluice/testkit';
import { tokenFor } from './support/clients.ts';
import { improvises } from './support/improvised.ts';
import { outside } from './support/outside.ts';
import { calls, refuses, says, startStage, thinks } from './support/played-model.ts';
import type { Plays, Stage } from './support/played-model.ts';

const FOLDER = join(import.meta.dirname, 'outside');
const INSTALL_MS = 180_000;
const RUN_MS = 90_000;

const python = await outside('python.sh', INSTALL_MS);

const WEATHER = { city: 'Bern', degrees: 7 };

const PLAYS: Plays = {
  '': improvises,
  hello: () => says('Hello, world.'),
  echo: ({ messages }) => says(messages.map(({ role }) => role).join(', ')),
  images: ({ messages }) => says(/"url":"([^"]+)"/.exec(JSON.stringify(messages))?.[1] ?? ''),
  thought: () => thinks('hm', 'Yes.'),
  weather: ({ results }) =>
    results.length === 0
      ? calls(['weather', { city: 'Bern' }], ['weather', { city: 'Rome' }])
      : says(`It is ${results.join(' and ')}.`),
  structured: ({ request }) =>
    request.body['tools'] === undefined ? says(JSON.stringify(WEATHER)) : calls(['Weather', WEATHER]),
  slow: () => ({ slowFirstByteMs: 20_000 }),
  endless: () => ({ hangAtToken: 10 }),
  'endless graph': () => ({ hangAtToken: 10 }),
  'breaks off': () => ({ errorAtToken: 10 }),
  'broken once': ({ times }) => (times === 0 ? refuses(500, { message: 'broken' }) : says('Mended.')),
  ...Object.fromEntries(
    [400, 404, 409, 422, 429, 500, 503].map((status) => [
      `status ${status}`,
      () => refuses(status, { message: `it is ${status}`, param: 'messages', code: `c${status}` }, '60'),
    ]),
  ),
};

let stage: Stage;
let scratch: string;
let output = '';
/** by the clock of the mock's moments, ms */
let exitedAt = 0;

const pytest = async (): Promise<string> => {
  const options = ['-q', '-rpfE', '--tb=short', '--benchmark-disable', '-p', 'no:cacheprovider'];
  // LangChain keeps its connections for the next test, so all tests need one loop.
  const scopes = ['test', 'fixture'].flatMap((of) => ['-o', `asyncio_default_${of}_loop_scope=session`]);
  const args = [
    '-m',
    'pytest',
    ...options,
    '-o',
    'asyncio_mode=auto',
    ...scopes,
    '--rootdir',
    FOLDER,
    FOLDER,
  ];
  const child = await startChild(python.path, args, {
    cwd: scratch,
    env: {
      ...{ SLUICE_URL: stage.url, SLUICE_TOKEN: tokenFor('ann'), PYTHONDONTWRITEBYTECODE: '1' },
      ...{ HTTPS_PROXY: undefined, HTTP_PROXY: undefined, LANGSMITH_TRACING: 'false' },
    },
  });
  await child.exited;
  exitedAt = performance.now();
  return child.output();
};

beforeAll(async () => {
  if (python.path === '') return;
  stage = await startStage(PLAYS);
  scratch = await mkdtemp(join(tmpdir(), 'sluice-python-'));
  output = await pytest();
}, RUN_MS);
afterAll(async () => {
  await stage?.close();
  if (scratch !== undefined) await rm(scratch, { recursive: true });
});

/** @param atLeast how many of its tests pass: a file that is not read fails none */
const expectPassed = (file: string, atLeast: number): void => {
  const found = (outcome: string): string[] =>
    output.split('\n').filter((line) => line.startsWith(outcome) && line.includes(file));
  const failed = [...found('FAILED'), ...found('ERROR')];
  const passed = found('PASSED').length;
  if (failed.length > 0 || passed < atLeast)
    throw new Error(
      `expected ${atLeast} tests of ${file} to pass and none to fail, ${passed} did:\n${output}`,
    );
};

/** Whether such requests were closed while others went on: at its end the program leaves them all. */
const wereLeft = (said: RegExp): boolean[] =>
  stage.mock.requests
    .filter(({ body }) => said.test(JSON.stringify(body)))
    .map(({ closedAt }) => closedAt !== undefined && closedAt.performanceMs < exitedAt - 1_000);

// compat(python): models, chat, chat stream, response, response stream, tools, structured output, parts, reasoning, usage
// compat(python): error status, error in stream, retry, resume, history
python.test('OpenAI’s client for Python does all that it does for OpenAI', () => {
  expectPassed('test_openai.py', 22);
});

// compat(python): abort
python.test('leaving a stream, giving up and cancelling leave the engine', () => {
  expect(wereLeft(/play (?:endless|slow) #/)).toEqual([true, true, true]);
});

// compat(langgraph): parts, reasoning
// compat(langgraph): chat stream, response, tools, structured output, usage, error status, error in stream, retry, history
python.test('a graph of LangGraph runs its tools over both APIs', () => {
  expectPassed('test_langgraph.py', 16);
});

// compat(langgraph): abort
python.test('leaving a graph leaves the engine', () => {
  expect(wereLeft(/play endless graph #/)).toEqual([true]);
});

// compat(langgraph): chat, response stream, tools, structured output, usage
python.test('LangChain’s standard tests of chat models pass', () => {
  expectPassed('test_standard.py', 80);
});
