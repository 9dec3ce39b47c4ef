import type { UiChunk, UiMessage } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import type { RawEventStream } from '@sluice/testkit';
import { newId } from './asking.ts';
import { openStream } from './http.ts';
import type { TestEdge } from './world.ts';

/** What a person says in a chat of the AI SDK. */
export const said = (text: string, id = newId()): UiMessage => ({
  id,
  role: 'user',
  parts: [{ type: 'text', text }],
});

export const postChat = (
  target: TestEdge,
  messages: readonly UiMessage[],
  more: object = {},
): Promise<RawEventStream> =>
  openStream(target, '/api/chat', { method: 'POST', body: { id: 'c1', messages, ...more } });

/** The chunks that came, without the `[DONE]` that ends them. */
export const chunksIn = ({ events }: RawEventStream): UiChunk[] =>
  events
    .map(({ data }) => data)
    .filter((data) => data !== undefined && data !== '[DONE]')
    .map((data) => JSON.parse(data ?? '') as UiChunk);

export const textIn = (chunks: readonly UiChunk[]): string =>
  chunks.map((chunk) => (chunk.type === 'text-delta' ? chunk.delta : '')).join('');

export const untilText = (read: () => readonly UiChunk[], text: string): Promise<unknown> =>
  waitFor(() => textIn(read()) === text, { what: `the text ${text}`, pollMs: 1 });

/** The message that an answer belongs to. */
export const messageIn = (chunks: readonly UiChunk[]): string => {
  const [first] = chunks;
  if (first?.type !== 'start') throw new Error(`expected a start first, got ${String(first?.type)}`);
  return first.messageId;
};
