import { Chat } from '@ai-sdk/react';
import { connect } from '@sluice/client';
import { SluiceChatTransport } from '@sluice/client/ai-sdk';
import type { SimulatedOptions } from '@sluice/simulator';
import { DefaultChatTransport, WebSocketChatTransport } from 'ai';
import type { ChatTransport, UIMessage } from 'ai';
import WebSocket from 'ws';
import { tokenFor } from './clients.ts';

/** The SDK's transports and ours. */
export const TRANSPORTS = ['http', 'websocket', 'sluice'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

export type OpenChat = {
  readonly chat: Chat<UIMessage>;
  readonly transport: ChatTransport<UIMessage>;
  /** the text of its newest answer */
  readonly text: () => string;
  close(): Promise<void>;
};

/** What the prompts ask of the simulated engine. */
export type Ask = Partial<SimulatedOptions>;

export type ChatSetup = {
  readonly id: string;
  readonly ask?: Ask;
  /** what else stands at the top of each request */
  readonly body?: object;
  /** of our transport */
  readonly onAbort?: 'detach' | 'cancel';
};

/** A chat of `@ai-sdk/react` as a page has it, without the page. */
export const openChat = (
  name: TransportName,
  url: string,
  { id, ask, body = {}, onAbort = 'detach' }: ChatSetup,
): OpenChat => {
  const { transport, close } = open(name, url, {
    body: { ...(ask === undefined ? {} : { params: { simulated: ask } }), ...body },
    onAbort,
    unfinished: () => chat.lastMessage?.id ?? '',
  });
  const chat: Chat<UIMessage> = new Chat({ id, transport });
  return { chat, transport, text: () => textOf(chat.lastMessage), close };
};

export const textOf = (message: UIMessage | undefined): string =>
  message?.role === 'assistant'
    ? message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
    : '';

type Setup = {
  readonly body: object;
  readonly onAbort: 'detach' | 'cancel';
  /** id of the message whose rest is wanted when the stream is resumed */
  readonly unfinished: () => string;
};
type Opened = { readonly transport: ChatTransport<UIMessage>; readonly close: () => Promise<void> };

const open = (name: TransportName, url: string, { body, onAbort, unfinished }: Setup): Opened => {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  if (name === 'http') {
    const api = `${url}/api/chat`;
    const transport = new DefaultChatTransport({
      ...{ api, headers, body },
      prepareReconnectToStreamRequest: ({ id }) => ({
        api: `${api}/${id}/stream${unfinished() === '' ? '' : `?message=${unfinished()}`}`,
        headers,
      }),
    });
    return { transport, close: async () => {} };
  }
  if (name === 'websocket') {
    const transport = new WebSocketChatTransport({
      ...{ url: `${url}/v1/ai-sdk`, headers, body, webSocket: WebSocket as never },
      prepareReconnectToStreamRequest: () => ({
        body: unfinished() === '' ? {} : { message: unfinished() },
      }),
    });
    return { transport, close: async () => transport.close() };
  }
  const client = connect({ url, token: tokenFor('ann'), backoff: { baseMs: 5, capMs: 50 } });
  const transport = new SluiceChatTransport({ client, onAbort, options: { ...body } });
  return { transport, close: () => client.close() };
};
