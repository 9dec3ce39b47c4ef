import { once } from 'node:events';
import type { UiChunk, UiMessage } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import WebSocket from 'ws';
import { newId } from './asking.ts';
import type { TestEdge } from './world.ts';

export type ChatReply = {
  readonly type: string;
  readonly requestId: string;
  readonly sequence?: number;
  readonly chunk?: UiChunk;
  readonly errorText?: string;
};

/** A raw client of the AI SDK's WebSocket protocol. */
export class ChatSocket {
  readonly socket: WebSocket;
  readonly replies: ChatReply[] = [];
  /** Resolves to the close code. */
  readonly closed: Promise<number>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.on('message', (text: Buffer) => this.replies.push(JSON.parse(text.toString()) as ChatReply));
  }

  /** Rejects when the upgrade is refused. */
  static async open(
    { edge }: TestEdge,
    { token, protocols = [] }: { readonly token?: string; readonly protocols?: string[] } = {},
  ): Promise<ChatSocket> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${edge.url.replace('http', 'ws')}/v1/ai-sdk`, protocols, { headers });
    const opened = new ChatSocket(socket);
    await once(socket, 'open');
    return opened;
  }

  /** @returns the request's id */
  ask(
    type: 'send' | 'resume',
    { id = 'c1', ...more }: { readonly id?: string; readonly [field: string]: unknown } = {},
  ): string {
    const requestId = newId();
    this.say({ type, requestId, id, headers: {}, body: {}, ...more });
    return requestId;
  }

  send(messages: readonly UiMessage[], more: object = {}): string {
    return this.ask('send', { trigger: 'submit-message', messages, ...more });
  }

  say(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  to(requestId: string): ChatReply[] {
    return this.replies.filter((reply) => reply.requestId === requestId);
  }

  chunks(requestId: string): UiChunk[] {
    return this.to(requestId).flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]));
  }

  async reply(requestId: string, type: string): Promise<ChatReply> {
    const find = (): ChatReply | undefined => this.to(requestId).find((reply) => reply.type === type);
    return waitFor(find, { what: `a reply of type ${type}`, pollMs: 1 });
  }
}
