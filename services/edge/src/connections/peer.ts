import { CLOSE_CODES, SluiceError } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import type { Grant } from '../auth/grant.ts';
import type { ClientSocket } from './client-socket.ts';
import type { EdgeContext } from './edge-context.ts';
import { FrameBudget } from './frame-budget.ts';
import { FrameQueues } from './frame-queues.ts';
import type { Turn } from './frame-queues.ts';
import { toSluiceError } from './refusal.ts';
import { SignIn } from './sign-in.ts';
import type { SignInOwner } from './sign-in.ts';

/** A frame above this that comes too early is refused unread: to say of which frame that is, it would have to be parsed. */
const MAX_READ_EARLY_CHARS = 16 * 1024;

/** What a frame asks for, in its order: see {@link Turn}. */
export type Work = Pick<Turn, 'keys' | 'size'> & {
  readonly work: () => Promise<void>;
  readonly onError: (error: unknown) => void;
};

/**
 * The edge's side of one client, whatever protocol it speaks and whatever carries it: what the client may
 * send, who it is, and how it ends. A protocol says what its frames are and what they do.
 */
export abstract class Peer<Frame> implements SignInOwner {
  readonly id: string;
  /** When the socket was accepted, ms. */
  readonly openedAt: number;
  protected readonly context: EdgeContext;
  protected readonly socket: ClientSocket;
  protected readonly signIn: SignIn;
  readonly #budget: FrameBudget;
  /** there while a frame is under way: most connections are silent most of the time */
  #queues: FrameQueues | undefined;
  #isClosed = false;

  constructor(id: string, socket: ClientSocket, context: EdgeContext) {
    this.id = id;
    this.socket = socket;
    this.context = context;
    this.openedAt = context.clock.now();
    this.signIn = new SignIn(this, context);
    const { maxFramesPerSecond, maxFrameBytes } = context.limits;
    this.#budget = new FrameBudget(maxFramesPerSecond, maxFrameBytes, this.openedAt);
  }

  get grant(): Grant | undefined {
    return this.signIn.grant;
  }
  get isClosed(): boolean {
    return this.#isClosed;
  }
  /** Its client renews its credential in place, so nothing outlives that. */
  get isAnswering(): boolean {
    return false;
  }

  /** A credential that came with the upgrade. */
  abstract authenticate(token: string): void;
  /** A frame that no frame can be: binary. */
  abstract onBinary(): void;
  /** The socket has room again. */
  abstract onDrain(): void;
  /** Tells the client that its credential expires soon. */
  abstract onExpiring(expiresAt: number): void;
  /** Tells the client that the edge goes away; the caller closes the socket. */
  abstract goaway(reconnectMs: number): void;

  /** The first text of somebody who sent no credential with the upgrade: whatever brings none ends the connection. */
  protected abstract onFirstText(text: string): void;
  /** @returns the frame of a text; undefined when it is none, and the client was told so */
  protected abstract parse(text: string): Frame | undefined;
  /** Does what a frame asks for, now or in its turn. @param size characters of its text */
  protected abstract handle(frame: Frame, size: number): void;
  /** Tells the client why a frame was refused. */
  protected abstract refuse(frame: Frame, error: unknown): void;
  /** Tells the client that a frame was refused, where nobody has looked which one it is. */
  protected abstract refuseUnread(error: SluiceError): void;
  /** Leaves whatever the client watches. Called once. */
  protected abstract leave(): void;
  /** Leaves the sessions that were closed to the grant, and tells the client so. */
  protected abstract leaveClosed(grant: Grant): void;

  onText(text: string): void {
    if (this.#isClosed) return;
    const budget = this.#budget.take(this.context.clock.now(), text.length);
    if (budget === 'abuse') return this.close(CLOSE_CODES.abuse, 'too many frames');
    if (this.grant === undefined) return this.onFirstText(text);
    if (budget === 'limited' && text.length > MAX_READ_EARLY_CHARS) return this.refuseUnread(this.#tooMany());
    const frame = this.parse(text);
    if (frame === undefined) return;
    if (budget === 'ok') this.handle(frame, text.length);
    else this.refuse(frame, this.#tooMany());
  }

  /** A sign of life of the client's that its socket answers: it counts as a frame. */
  onPing(): void {
    if (this.#budget.take(this.context.clock.now(), 0) === 'abuse')
      this.close(CLOSE_CODES.abuse, 'too many pings');
  }

  /** Its client has signed in. @returns false: there is no place for it */
  enter(): boolean {
    return this.socket.enter();
  }

  /** A credential of its client was refused. */
  refused(): void {
    this.socket.refused();
  }

  /** The socket is gone, or goes: nothing more is said on it. Idempotent. */
  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queues?.close();
    this.signIn.leave();
    this.leave();
  }

  /** Ends the connection for a reason of ours. Idempotent: the first reason counts. */
  close(code: CloseCode, reason: string): void {
    if (this.#isClosed) return;
    this.context.tally.closes.add(String(code));
    this.socket.close(code, reason);
    this.onClose();
  }

  /** Called about twice a second. */
  tick(now: number): void {
    if (!this.#isClosed) this.signIn.tick(now);
    const { grant } = this;
    if (!this.#isClosed && grant?.standing.takeNews() === true) this.leaveClosed(grant);
  }

  /** Works in order with what shares a key, at once where nothing is before it; never once the connection is closed. */
  protected enqueue({ keys, size, work, onError }: Work): void {
    if (this.#isClosed) return;
    const queues = (this.#queues ??= new FrameQueues());
    const start = (): void => void this.#run(work, onError).then(() => this.#done(turn, queues));
    const turn: Turn = { keys, size, start };
    if (!queues.add(turn)) onError(new SluiceError('rate_limited', 'too many frames wait for an answer'));
  }

  #done(turn: Turn, queues: FrameQueues): void {
    queues.done(turn);
    if (queues.size === 0 && this.#queues === queues) this.#queues = undefined;
  }

  #tooMany(): SluiceError {
    return new SluiceError('rate_limited', 'too many frames', { retryAfterMs: this.#budget.waitMs });
  }

  async #run(work: Work['work'], onError: Work['onError']): Promise<void> {
    try {
      await work();
    } catch (error) {
      onError(error);
    }
  }

  /** What an error means to the client; logged if it is ours. @param type of the frame it came by */
  protected explain(error: unknown, type: string): SluiceError {
    const told = toSluiceError(error);
    if (told.code === 'internal')
      this.context.logger.error('frame_failed', { connection: this.id, type, error });
    return told;
  }

  /** Counts an error that the client is told. */
  protected countError(code: SluiceError['code']): void {
    this.context.tally.orgs.of(this.grant?.org).errors.add(code);
  }
}
