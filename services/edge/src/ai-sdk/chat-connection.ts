import { randomUUID } from 'node:crypto';
import { CLOSE_CODES, SluiceError } from '@sluice/protocol';
import type { ErrorCode } from '@sluice/protocol';
import { bearerOf } from '../auth/bearer.ts';
import { openSession, reaches } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { encodeText } from '../feeds/frames.ts';
import { Peer } from '../connections/peer.ts';
import { traceparentOf } from '../http/trace-context.ts';
import { askForAnswer, findAnswer } from './answer.ts';
import type { Answer } from './answer.ts';
import { parseChatFrame, tokenIn } from './chat-frames.ts';
import type { AskFrame, ChatFrame } from './chat-frames.ts';
import { chatQuestionOf } from './chat-request.ts';
import { ChatStream } from './chat-stream.ts';

/**
 * One client's side of the AI SDK's WebSocket chat protocol: any number of requests, each answered by a
 * stream of chunks. An `abort`, like a socket that is gone, only stops watching.
 */
export class ChatConnection extends Peer<ChatFrame> {
  readonly #streams = new Map<string, ChatStream>();
  /** requests whose answer is being asked for */
  #opening = 0;
  /** the newest token that was looked at: each request repeats its own */
  #token: string | undefined;
  /** tokens are looked at one after the other */
  #signingIn: Promise<unknown> = Promise.resolve();

  authenticate(token: string): void {
    this.#grantOf(token).catch((error: unknown) => this.signIn.refuse(error));
  }

  onBinary(): void {
    this.close(CLOSE_CODES.badFrames, 'expected text frames');
  }

  /** Its client cannot renew a token while it reads: it counts as it did when the answer was asked for. */
  override get isAnswering(): boolean {
    return this.#streams.size + this.#opening > 0;
  }

  onDrain(): void {
    for (const stream of this.#streams.values()) stream.resume();
  }

  /** The protocol has no word for it: a client's next request brings its token along. */
  onExpiring(): void {}

  /** Nor for this: the close code says it. */
  goaway(): void {}

  protected onFirstText(text: string): void {
    const token = tokenIn(text);
    if (token === undefined)
      return this.close(
        CLOSE_CODES.credential,
        'expected `headers.authorization`, or a token with the upgrade',
      );
    const signedIn = (grant: Grant | undefined): void => {
      const frame = grant && this.parse(text);
      if (frame !== undefined) this.handle(frame, text.length);
    };
    // Who is not signed in is closed.
    this.#grantOf(token).then(signedIn, () => undefined);
  }

  protected parse(text: string): ChatFrame | undefined {
    const parsed = parseChatFrame(text);
    if (parsed.type === 'frame') return parsed.frame;
    const { requestId, message } = parsed;
    if (requestId === undefined) this.close(CLOSE_CODES.badFrames, 'a frame that is none of the protocol');
    else this.#refuse(requestId, new SluiceError('bad_frame', message));
    return undefined;
  }

  protected handle(frame: ChatFrame, size: number): void {
    const work = async (): Promise<void> => {
      if (frame.type === 'abort') return this.#end(frame.requestId);
      const grant = await this.#grantOf(bearerOf(frame.headers['authorization']));
      if (grant !== undefined) await this.#serve(frame, grant);
    };
    const request = `request ${frame.requestId}`;
    const keys = frame.type === 'abort' ? [request] : [`chat ${frame.id}`, request];
    this.enqueue({ keys, size, work, onError: (error) => this.refuse(frame, error) });
  }

  protected refuse({ requestId }: ChatFrame, error: unknown): void {
    this.#refuse(requestId, error);
  }

  /** The protocol names a request in every reply. */
  protected refuseUnread(): void {
    this.close(CLOSE_CODES.abuse, 'too many frames');
  }

  protected leave(): void {
    for (const stream of this.#streams.values()) stream.leave();
    this.#streams.clear();
  }

  /** @returns undefined: the connection is closed. @throws SluiceError unauthorized, forbidden */
  #grantOf(token: string | undefined): Promise<Grant | undefined> {
    const grant = this.#signingIn.then(() => this.#signInWith(token));
    // The client that asked is told.
    this.#signingIn = grant.catch(() => undefined);
    return grant;
  }

  async #signInWith(token: string | undefined): Promise<Grant | undefined> {
    const { grant } = this.signIn;
    const isKnown = token === undefined || token === this.#token;
    if (grant !== undefined && isKnown && this.context.clock.now() < grant.expiresAt) return grant;
    if (token === undefined)
      throw new SluiceError('unauthorized', 'expected `headers.authorization`, or a token with the upgrade');
    try {
      const signedIn = await (grant === undefined
        ? this.signIn.enter(token)
        : this.signIn.renew(token, grant));
      this.#token = token;
      if (signedIn !== undefined) this.leaveClosed(signedIn);
      return signedIn;
    } catch (error) {
      if (grant !== undefined) throw error;
      this.signIn.refuse(error);
      return undefined;
    }
  }

  async #serve(frame: AskFrame, grant: Grant): Promise<void> {
    const { maxSessionsPerConnection: most } = this.context.limits;
    const { requestId } = frame;
    if (this.#streams.has(requestId))
      throw new SluiceError('bad_frame', '`requestId`: expected a new one for each request');
    if (this.#streams.size + this.#opening >= most)
      throw new SluiceError('quota_exceeded', `expected at most ${most} answers at a time`);
    this.#opening += 1;
    const answer = await this.#answerTo(frame, grant).finally(() => (this.#opening -= 1));
    if (this.isClosed) return;
    if (answer === undefined) return this.#say({ type: 'no-active', requestId });
    // A newer credential may have come meanwhile (R6).
    if (this.grant !== undefined) openSession(this.grant, frame.id, 'read');
    const stream = new ChatStream(
      {
        ...{ requestId, answer, grant, connection: randomUUID(), socket: this.socket },
        onEnd: () => this.#streams.delete(requestId),
      },
      this.context,
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
      return findAnswer(openSession(grant, chat, 'read'), frame.body.message, this.context.bus);
    const { message, ...fields } = frame.body;
    // The SDK sends all of them besides.
    const { messages, ...asked } = frame;
    const said = message ? { ...asked, message } : { ...asked, messages };
    const question = chatQuestionOf({ chat: said, fields, request: requestId });
    const traceparent = traceparentOf(frame.headers);
    return askForAnswer({ grant, chat, question, traceparent }, this.context);
  }

  /** Chats that a newer grant does not reach are left (R6), as are those that were closed to it. */
  protected leaveClosed(grant: Grant): void {
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

  #refuse(requestId: string, error: unknown): void {
    if (this.isClosed) return;
    const { code, message } = this.explain(error, 'chat');
    this.countError(code);
    this.#say({ type: 'error', requestId, errorText: message, code });
  }

  #say(reply: Refusal): void {
    if (!this.isClosed) this.socket.send(encodeText(JSON.stringify(reply)));
  }
}

type Refusal =
  | { readonly type: 'no-active'; readonly requestId: string }
  | {
      readonly type: 'error';
      readonly requestId: string;
      readonly errorText: string;
      readonly code: ErrorCode;
    };
