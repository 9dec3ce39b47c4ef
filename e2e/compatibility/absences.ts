/** Cells without a test, each with the reason for it. A cell has a test or is named here, never both. */

export type Absence = {
  readonly reason: string;
  /** by column: its rows */
  readonly cells: Readonly<Record<string, readonly string[]>>;
};

export const CLIENT_ABSENCES: readonly Absence[] = [
  {
    reason: 'the client has no such call',
    cells: {
      'use-chat': ['models', 'chat', 'response', 'response stream', 'structured output', 'retry'],
      'ai-openai': ['models', 'resume'],
      'ai-compatible': ['models', 'response', 'response stream', 'resume', 'history'],
      langchain: ['models', 'resume'],
      agents: ['models', 'resume'],
      codex: ['models', 'chat', 'chat stream', 'response', 'resume'],
      langgraph: ['models', 'resume'],
      sluice: ['models', 'response', 'response stream'],
    },
  },
  {
    reason:
      'it reads the stream of one generation; another client sends the prompt and whatever else there is',
    cells: {
      eventsource: [
        ...[
          'models',
          'chat',
          'response',
          'response stream',
          'tools',
          'structured output',
          'parts',
          'reasoning',
        ],
        ...['usage', 'error status', 'error in stream', 'retry', 'abort', 'history'],
      ],
    },
  },
  {
    reason: 'not tested by itself: it runs on `useChat`, with the transports that `use-chat` is tested with',
    cells: {
      'assistant-ui': [
        ...[
          'models',
          'chat',
          'chat stream',
          'response',
          'response stream',
          'tools',
          'structured output',
          'parts',
        ],
        ...['reasoning', 'usage', 'error status', 'error in stream', 'retry', 'abort', 'resume', 'history'],
      ],
    },
  },
];

export const ENGINE_ABSENCES: readonly Absence[] = [
  {
    reason: 'OpenAI starts a new answer when it is given a text to continue: a crash starts the text again',
    cells: { openai: ['continuation'], azure: ['continuation'] },
  },
  {
    reason:
      'not relied on: it depends on the model behind it, or the answer repeats the text. A crash starts the text again',
    cells: Object.fromEntries(
      ['mistral', 'gemini', 'anthropic-compatible', 'openrouter', 'litellm'].map((profile) => [
        profile,
        ['continuation'],
      ]),
    ),
  },
];
