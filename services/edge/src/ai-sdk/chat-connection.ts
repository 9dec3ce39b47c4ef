import { randomUUID } from 'node:crypto';
import { CLOSE_CODES, SluiceError } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import { bearerOf } from '../auth/bearer.ts';
import { openSession, reaches } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import type { ClientSocket } from '../connections/client-socket.ts';
import { FrameBudget } from '../connections/frame-budget.ts';
import { FrameQueue } from '../connections/frame-queue.ts';
import { encodeText } from '../feeds/frames.ts';
import { toSluiceError } from '../connections/refusal.ts';
import { SignIn } from '../connections/sign-in.ts';
import { askForAnswer, findAnswer } from './answer.ts';
import type { Answer } from './answer.ts';
import { parseChatFrame } from './chat-frames.ts';
import type { AskFrame, ChatFrame } from './chat-frames.ts';
import { uiRequestOf } from './chat-request.ts';
import { ChatStream } from './chat-stream.ts';

/**
 * One client's side of the AI SDK's WebSocket chat protocol: any number of requests, each answered by a
 * stream of chunks. An `abort`, like a socket that is gone, only stops watching.
 */
export class ChatConnection {
  readonly id: string;
  /** When the socket was accepted, ms. */
  readonly openedAt: number;
  readonly #context: EdgeContext;
  readonly #socket: ClientSocket;
  readonly #signIn: SignIn;
  readonly #budget: FrameBudget;
  readonly #queue = new FrameQueue();
  readonly #streams = new Map<string, ChatStream>();
  /** the newest token that was looked at: each request repeats its own */
  #token: string | undefined;
  #isClosed = false;

  constructor(id: string, socket: ClientSocket, context: EdgeContext) {
    this.id = id;
    this.#socket = socket;
    this.#context = context;
    this.openedAt = context.clock.now();
    this.#signIn = new SignIn(this, context);
    this.#budget = new FrameBudget(context.limits.maxFramesPerSecond, this.openedAt);
  }

  /** A credential that came with the upgrade. */
  authenticate(token: string): void {
    this.#queue.add(0, async () => {
      await this.#grantOf(token);
    });
  }

  onText(text: string): void {
    if (this.#isClosed) return;
    const budget = this.#budget.take(this.#context.clock.now());
    if (budget === 'abuse') return this.close(CLOSE_CODES.abuse, 'too many frames');
    const parsed = parseChatFrame(text);
    if (parsed.type === 'bad') return this.#onBadFrame(parsed);
    const { frame } = parsed;
    const tooMany = new SluiceError('rate_limited', 'too many frames');
    if (budget === 'limited') this.#refuse(frame.requestId, tooMany);
    else if (!this.#queue.add(text.length, () => this.#handle(frame))) this.#refuse(frame.requestId, tooMany);
  }

  /** A frame that no frame can be: binary. */
  onBinary(): void {
    this.close(CLOSE_CODES.badFrames, 'expected text frames');
  }

  onDrain(): void {
    for (const stream of this.#streams.values()) stream.resume();
  }

  /** The socket is gone, or goes. Idempotent. */
  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#signIn.leave();
    for (const stream of this.#streams.values()) stream.leave();
    this.#streams.clear();
  }

  /** Ends the connection for a reason of ours. Idempotent: the first reason counts. */
  close(code: CloseCode, reason: string): void {
    if (this.#isClosed) return;
    this.#context.metrics.closes.inc({ code: String(code) });
    this.#socket.close(code, reason);
    this.onClose();
  }

  tick(now: number): void {
    if (!this.#isClosed) this.#signIn.tick(now);
  }

  /** The protocol has no word for it: a client's next request brings its token along. */
  onExpiring(): void {}

  /** Nor for this: the close code says it. */
  goaway(): void {}

  /** In order, one at a time: an abort must not overtake what it aborts. */
  async #handle(frame: ChatFrame): Promise<void> {
    if (this.#isClosed) return;
    if (frame.type === 'abort') return this.#end(frame.requestId);
    try {
      const grant = await this.#grantOf(bearerOf(frame.headers['authorization']));
      if (grant !== undefined) await this.#serve(frame, grant);
    } catch (error) {
      this.#refuse(frame.requestId, error);
    }
  }

  /** @returns undefined: the connection is closed. @throws SluiceError unauthorized, forbidden */
  async #grantOf(token: string | undefined): Promise<Grant | undefined> {
    const { grant } = this.#signIn;
    if (grant !== undefined && (token === undefined || token === this.#token)) return grant;
    if (token === undefined)
      throw new SluiceError('unauthorized', 'expected `headers.authorization`, or a token with the upgrade');
    try {
      const signedIn = await (grant === undefined
        ? this.#signIn.enter(token)
        : this.#signIn.renew(token, grant));
      this.#token = token;
      if (signedIn !== undefined) this.#dropUncovered(signedIn);
      return signedIn;
    } catch (error) {
      if (grant !== undefined) throw error;
      this.#signIn.refuse(error);
      return undefined;
    }
  }

  async #serve(frame: AskFrame, grant: Grant): Promise<void> {
    const { maxSessionsPerConnection: most } = this.#context.limits;
    const { requestId } = frame;
    if (this.#streams.has(requestId))
      throw new SluiceError('bad_frame', '`requestId`: expected a new one for each request');
    if (this.#streams.size >= most)
      throw new SluiceError('quota_exceeded', `expected at most ${most} answers at a time`);
    const answer = await this.#answerTo(frame, grant);
    if (this.#isClosed) return;
    if (answer === undefined) return this.#say({ type: 'no-active', requestId });
    const stream = new ChatStream(
      {
        ...{ requestId, answer, user: grant.user, connection: randomUUID(), socket: this.#socket },
        onEnd: () => this.#streams.delete(requestId),
      },
      this.#context,
    );
    this.#streams.set(requestId, stream);
    try {
      await stream.open();
    } catch (error) {
      this.#end(requestId);
      throw error;
    }
  }

  async #answerTo(frame: AskFrame, grant: Grant): Promise<Answer | undefined> {
    const { id: chat, requestId } = frame;
    if (frame.type === 'resume')
      return findAnswer(openSession(grant, chat, 'read'), frame.body.message, this.#context.bus);
    const request = uiRequestOf({ chat: frame, options: frame.body, request: requestId });
    return askForAnswer({ grant, chat, request }, this.#context);
  }

  /** Chats that a newer grant does not reach are left (R6). */
  #dropUncovered(grant: Grant): void {
    for (const [requestId, { session }] of this.#streams) {
      if (reaches(grant, session)) continue;
      this.#end(requestId);
      this.#refuse(requestId, new SluiceError('not_found', 'no such session'));
    }
  }

  #end(requestId: string): void {
    this.#streams.get(requestId)?.leave();
    this.#streams.delete(requestId);
  }

  #onBadFrame({ requestId, message }: { readonly requestId: string | undefined; message: string }): void {
    if (requestId !== undefined) this.#refuse(requestId, new SluiceError('bad_frame', message));
    else this.close(CLOSE_CODES.badFrames, 'a frame that is none of the protocol');
  }

  #refuse(requestId: string, error: unknown): void {
    if (this.#isClosed) return;
    const { metrics, figures, logger } = this.#context;
    const { code, message } = toSluiceError(error);
    if (code === 'internal') logger.error('frame_failed', { connection: this.id, type: 'chat', error });
    metrics.errors.inc({ code });
    figures.of(this.#signIn.grant?.org).error(code);
    this.#say({ type: 'error', requestId, errorText: message });
  }

  #say(reply: Refusal): void {
    if (!this.#isClosed) this.#socket.send(encodeText(JSON.stringify(reply)));
  }
}

type Refusal =
  | { readonly type: 'no-active'; readonly requestId: string }
  | { readonly type: 'error'; readonly requestId: string; readonly errorText: string };
