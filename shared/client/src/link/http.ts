import type { ClientFrame, ServerFrame } from '@sluice/protocol';
import type { Transport, TransportListener } from './transport.ts';
import { ABNORMAL, CallError, HttpCalls } from './http-calls.ts';
import type { CallOptions } from './http-calls.ts';
import { pollFrames, streamFrames } from './http-frames.ts';
import type { OpenFrames } from './http-frames.ts';
import { PostQueue } from './post-queue.ts';

/** How long what is left to say may take when the connection is closed, ms. */
const CLOSE_TIMEOUT_MS = 2_000;

const OPEN_FRAMES: Readonly<Record<'sse' | 'poll', OpenFrames>> = { sse: streamFrames, poll: pollFrames };

/**
 * One connection over HTTP requests: frames come down as a stream or by polling, and go up by POST. The
 * credential is in a header of each request, never in a URL.
 */
export class HttpTransport implements Transport {
  readonly kind: 'sse' | 'poll';
  readonly #options: CallOptions;
  readonly #calls: HttpCalls;
  readonly #posts: PostQueue;
  #listener: TransportListener | undefined;
  #isOpen = false;
  #saidSomething = false;
  #cancelBeat: () => void = () => undefined;
  #cancelClose: () => void = () => undefined;

  constructor(kind: 'sse' | 'poll', options: CallOptions) {
    this.kind = kind;
    this.#options = options;
    this.#calls = new HttpCalls(options);
    const failed = (error: unknown): void => this.#fail(error);
    this.#posts = new PostQueue({ calls: this.#calls, clock: options.clock, failed });
  }

  open(listener: TransportListener): void {
    this.#listener = listener;
    void this.#read();
  }

  handOver(listener: TransportListener): void {
    if (this.#listener !== undefined) this.#listener = listener;
  }

  send(frame: ClientFrame): void {
    if (!this.#isOpen) return;
    if (frame.type === 'auth') this.#calls.token = frame.token;
    this.#saidSomething = true;
    this.#posts.push(frame);
  }

  /** What was sent before arrives, if it can; then the edge forgets the connection. */
  close(code: number, reason: string): void {
    const end = (): void => this.#end(code, reason);
    if (!this.#isOpen) return end();
    this.#cancelClose = this.#options.clock.after(CLOSE_TIMEOUT_MS, end);
    const leave = async (): Promise<void> => {
      await this.#posts.flush();
      await this.#calls.call({ method: 'DELETE' });
    };
    leave().then(end, end);
  }

  async #read(): Promise<void> {
    try {
      for await (const text of OPEN_FRAMES[this.kind](this.#calls)) this.#receive(text);
      this.#end(ABNORMAL, 'the response ended');
    } catch (error) {
      this.#fail(error);
    }
  }

  #receive(text: string): void {
    const frame = this.#options.parse(text);
    if (!(frame instanceof Error)) return frame && this.#deliver(frame);
    // Before `open` it is somebody else who answers: a login page of the network, say.
    if (!this.#isOpen) throw frame;
    this.#listener?.broken(frame);
  }

  #deliver(frame: ServerFrame): void {
    if (frame.type === 'open') {
      this.#calls.opened(frame.connection);
      this.#isOpen = true;
    } else if (frame.type === 'close') this.#end(frame.code, frame.reason);
    else {
      if (frame.type === 'ready' && this.kind === 'sse') this.#beat(frame.heartbeatMs);
      this.#listener?.frame(frame);
    }
  }

  /** The edge takes the reader of a stream for dead that says nothing for long, whatever it may receive. */
  #beat(intervalMs: number): void {
    this.#cancelBeat();
    this.#cancelBeat = this.#options.clock.after(intervalMs, () => {
      if (!this.#saidSomething) this.send({ type: 'ping' });
      this.#saidSomething = false;
      this.#beat(intervalMs);
    });
  }

  #fail(error: unknown): void {
    if (error instanceof CallError) this.#end(error.code, error.message);
    else this.#end(ABNORMAL, (error as Error).message);
  }

  #end(code: number, reason: string): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    this.#isOpen = false;
    this.#cancelBeat();
    this.#cancelClose();
    this.#posts.stop();
    this.#calls.abort();
    listener.closed(code, reason);
  }
}
