/** The words of docs/COMPATIBILITY.md: what its tables have rows and columns for, and what a mark may say. */
import { join } from 'node:path';

// What a service keeps to itself is loaded by path, as in docs.test.ts.
const PROFILE_FILE = join(import.meta.dirname, '../../services/worker/src/engines/openai/profile.ts');
const { PROFILES } = (await import(PROFILE_FILE)) as { readonly PROFILES: readonly string[] };

/** A table: its columns by name, each with what it is, and its rows by name, each with what is expected. */
export type Words = {
  readonly columns: Readonly<Record<string, string>>;
  readonly rows: Readonly<Record<string, string>>;
};

export const CLIENTS: Words = {
  columns: {
    'openai-node': 'OpenAI’s client for Node, `openai`',
    'openai-node-previous': 'its major before, `openai-previous`',
    'use-chat': '`useChat` of `@ai-sdk/react`, with the transports of `ai` and with ours',
    'ai-openai': 'the AI SDK’s provider `@ai-sdk/openai`',
    'ai-compatible': 'the AI SDK’s provider `@ai-sdk/openai-compatible`',
    langchain: 'LangChain.js, `@langchain/openai`',
    agents: 'OpenAI’s Agents SDK, `@openai/agents`',
    codex: 'a coding agent, `@openai/codex`',
    python: 'OpenAI’s client for Python',
    langgraph: 'LangChain and LangGraph for Python',
    eventsource: '`EventSource` of browsers, `eventsource`',
    'assistant-ui': 'assistant-ui for React',
    sluice: 'the SDK of Sluice, `@sluice/client`',
  },
  rows: {
    models: 'lists the models there are',
    chat: 'a chat completion in one piece, or a prompt and its answer',
    'chat stream': 'a streamed one',
    response: 'a response in one piece',
    'response stream': 'a streamed one',
    tools: 'tool calls: each is whole, its result goes back, the answer follows',
    'structured output': 'an answer that has a schema',
    parts: 'images and files in a message',
    reasoning: 'reasoning is told apart from text',
    usage: 'what it took',
    'error status': 'a failure before the first token has its status, code, field and message',
    'error in stream': 'a failure after the first token is told, and the text before it kept',
    retry: 'waits as long as the server says and asks again',
    abort: 'leaving stops the engine',
    resume: 'goes on where it was after its connection or its edge is lost',
    history: 'a later turn builds on what is stored',
  },
};

export const ENGINES: Words = {
  columns: Object.fromEntries(PROFILES.map((profile) => [profile, `\`SLUICE_UPSTREAM_PROFILE=${profile}\``])),
  rows: {
    text: 'the whole text, token by token',
    reasoning: 'reasoning is told apart from text',
    tools: 'tool calls, with id and name',
    usage: 'what it took',
    bound: 'ends with `length` where `max_tokens` says so',
    continuation: 'goes on from the middle of a text after a crash',
    cancel: 'an abort stops it at once',
    'lost connection': 'a broken connection is a passing failure, and no text is invented',
    'error in stream': 'a failure in the middle of its stream is told',
  },
};
