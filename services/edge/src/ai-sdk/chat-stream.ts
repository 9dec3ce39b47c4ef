import type { UiChunk } from '@sluice/core';
import { mayGovern } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { Attachments } from '../connections/attachments.ts';
import type { ClientSocket } from '../connections/client-socket.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { encodeText } from '../feeds/frames.ts';
import type { Frame } from '../feeds/frames.ts';
import { NOTHING_KNOWN } from '../feeds/store-watch.ts';
import { Viewer } from '../feeds/viewer.ts';
import type { FrameSink } from '../feeds/viewer.ts';
import { AnswerChunks } from './answer-chunks.ts';
import type { Answer } from './answer.ts';

export type ChatStreamOptions = {
  readonly requestId: string;
  readonly answer: Answer;
  readonly grant: Grant;
  /** the stream's own: two of one connection are two viewers */
  readonly connection: string;
  readonly socket: ClientSocket;
  /** nothing follows */
  readonly onEnd: () => void;
};

/**
 * One request's answer on a socket that carries several: a viewer like any other, shown in chunks. What has
 * been flushed to the socket is its ack.
 */
export class ChatStream implements FrameSink {
  readonly #options: ChatStreamOptions;
  readonly #attachments: Attachments;
  readonly #chunks: AnswerChunks;
  readonly #viewer: Viewer;
  #sequence = 0;
  #hasBegun = false;
  #isOver = false;

  constructor(options: ChatStreamOptions, context: EdgeContext) {
    this.#options = options;
    this.#attachments = new Attachments(context);
    const { answer, grant, connection } = options;
    const { org, session, generation: only } = answer.key;
    this.#chunks = new AnswerChunks(answer);
    this.#viewer = new Viewer({
      ...{ key: { org, session }, ref: { user: grant.user, connection }, sink: this, only },
      ackedBy: 'sink',
      ...{
        window: context.limits.defaultWindow,
        observe: false,
        governs: mayGovern(grant),
        positions: new Map(),
      },
    });
  }

  get session(): string {
    return this.#viewer.key.session;
  }

  get writable(): boolean {
    return this.#options.socket.writable;
  }

  /** Begins to show the answer. @throws BusUnavailableError, and nothing was said */
  async open(): Promise<void> {
    await this.#attachments.attach(this.#viewer, NOTHING_KNOWN);
    if (!this.#isOver) this.#begin();
  }

  send({ content }: Frame, onTaken?: () => void): void {
    if (this.#isOver) return;
    const told = this.#chunks.of(content);
    if (told === undefined || told.chunks.length === 0) onTaken?.();
    else this.#tell(told.chunks, onTaken);
    if (told?.isLast !== true) return;
    this.#reply({ type: 'end' });
    this.leave();
    this.#options.onEnd();
  }

  /** The socket has room again. */
  resume(): void {
    this.#attachments.resume();
  }

  /** Detaches, and says nothing more. Idempotent. */
  leave(): void {
    this.#isOver = true;
    this.#attachments.close();
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#reply({ type: 'start' });
    this.#tell(this.#chunks.start());
  }

  #tell(chunks: readonly UiChunk[], onTaken?: () => void): void {
    this.#begin();
    chunks.forEach((chunk, at) => {
      const sequence = this.#sequence++;
      this.#reply({ type: 'chunk', sequence, chunk }, at === chunks.length - 1 ? onTaken : undefined);
    });
  }

  #reply(reply: Unaddressed, onTaken?: () => void): void {
    const { socket, requestId } = this.#options;
    socket.send(encodeText(JSON.stringify({ ...reply, requestId })), onTaken);
  }
}

type Unaddressed =
  | { readonly type: 'start' | 'end' }
  | { readonly type: 'chunk'; readonly sequence: number; readonly chunk: UiChunk };
