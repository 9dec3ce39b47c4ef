/** A model that plays roles for whole-system tests: what it answers depends on the newest thing a person said. */
import { randomUUID } from 'node:crypto';
import { startMockServer } from '@sluice/simulator';
import type { MockFaults, MockRequest, MockServer } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { OpenAiEngine } from '@sluice/worker';
import { tokenFor } from './clients.ts';
import { startSystem } from './system.ts';
import type { System } from './system.ts';

export const MODEL = 'simulated';

const event = (fields: object): string => `data: ${JSON.stringify(fields)}\n\n`;
const chunk = (delta: object, finish_reason: string | null = null): string =>
  event({ choices: [{ index: 0, delta, finish_reason }] });
const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const ended = (reason: string): string =>
  `${chunk({}, reason)}${event({ choices: [], usage: USAGE })}data: [DONE]\n\n`;

/** Says a text, in pieces of a few characters. */
export const says = (text: string, reason = 'stop'): MockFaults => ({
  stream: (text.match(/.{1,7}/gsu) ?? []).map((content) => chunk({ content })).join('') + ended(reason),
});

export const thinks = (thought: string, text: string): MockFaults => ({
  stream: chunk({ reasoning_content: thought }) + chunk({ content: text }) + ended('stop'),
});

/** Calls tools, all at once: `[name, arguments]`, arguments in two pieces. */
export const calls = (...all: readonly (readonly [string, object])[]): MockFaults => {
  const pieces = all.flatMap(([name, fields], index) => {
    const text = JSON.stringify(fields);
    const half = Math.ceil(text.length / 2);
    const first = {
      index,
      id: `call_${randomUUID()}`,
      type: 'function',
      function: { name, arguments: text.slice(0, half) },
    };
    return [first, { index, function: { arguments: text.slice(half) } }];
  });
  return { stream: pieces.map((piece) => chunk({ tool_calls: [piece] })).join('') + ended('tool_calls') };
};

export const refuses = (status: number, error: object, retryAfter?: string): MockFaults => ({
  ...{ status, errorBody: JSON.stringify({ error }) },
  ...(retryAfter === undefined ? {} : { retryAfter }),
});

type Message = { readonly role: string; readonly content?: unknown };

export type Turn = {
  readonly request: MockRequest;
  readonly messages: readonly Message[];
  /** what tools brought since the person spoke, oldest first */
  readonly results: readonly string[];
  /** how often the same was asked before, tool results and all */
  readonly times: number;
};

/** What is played when a person says `play NAME`; `''` is played when no role is named. */
export type Plays = Readonly<Record<string, (turn: Turn) => MockFaults>>;

/** What a person says to have a role played; each is another conversation. */
export const play = (name: string): string => `play ${name} #${randomUUID()}`;

const textOf = (content: unknown): string =>
  typeof content === 'string' ? content : JSON.stringify(content ?? '');

const player = (plays: Plays): ((request: MockRequest) => MockFaults) => {
  const seen = new Map<string, number>();
  return (request) => {
    const messages = request.body['messages'] as readonly Message[];
    const spoken = messages.findLastIndex(
      ({ role, content }) => role === 'user' && /play .+#/.test(textOf(content)),
    );
    const [, name = '', id = ''] = /play (.+?) #([\w-]+)/.exec(textOf(messages[spoken]?.content)) ?? [];
    const results = messages
      .slice(spoken + 1)
      .filter(({ role }) => role === 'tool')
      .map(({ content }) => textOf(content));
    const key = `${id} ${results.length}`;
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    return plays[name]?.({ request, messages, results, times }) ?? {};
  };
};

export type Stage = {
  readonly system: System;
  readonly mock: MockServer;
  /** of an edge */
  readonly url: string;
  close(): Promise<void>;
};

/** A whole system whose model plays these roles. Whatever is no role is answered by the simulator. */
export const startStage = async (plays: Plays): Promise<Stage> => {
  const mock = await startMockServer({ simulated: { tokens: 40 }, faults: player(plays) });
  const system = await startSystem();
  const { url } = await system.addEdge();
  await system.addWorker(new OpenAiEngine({ upstream: mock.url }));
  const listed = async (): Promise<boolean> => {
    const response = await fetch(`${url}/v1/models`, {
      headers: { authorization: `Bearer ${tokenFor('ann')}` },
    });
    return (await response.text()).includes(MODEL);
  };
  // An edge looks every other second who is there.
  await waitFor(listed, { what: 'the model' });
  const close = async (): Promise<void> => {
    await system.close();
    await mock.close();
  };
  return { system, mock, url, close };
};
