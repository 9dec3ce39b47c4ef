import { ACK_TOKENS, DEFAULT_LIMITS } from '@sluice/protocol';
import type { DeltaFrame, PromptBody, ServerFrame } from '@sluice/protocol';
import type { AckClock, Acker } from './ack-clock.ts';
import { TEXT } from './frame-decoder.ts';
import { encodeClientFrame } from './frame-encoder.ts';
import { openPipe } from './pipe.ts';
import type { Pipe } from './pipe.ts';
import type { Target } from './wire.ts';
import type { Tally } from './tally.ts';
import { ReceivedText } from './received-text.ts';

/** A quarter of the window, as clients should. */
const ACK_EVERY_FRAMES = DEFAULT_LIMITS.defaultWindow / 4;

/** An observer governs nothing and sends no acks. */
export type Role = 'viewer' | 'observer';

/** What all viewers of a process share. */
export type ViewerContext = { readonly tally: Tally; readonly acks: AckClock };

type Waiting = {
  readonly type: ServerFrame['type'];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
};

/** The frame that brought the first tokens, and when. */
export type FirstDelta = { readonly seq: number; readonly text: string; readonly atMs: number };

/**
 * One connection that watches one session: keeps and checks what it receives, and acks as the protocol
 * asks. Peers are watched in the same way, but get no acks, since they know none.
 */
export class Viewer implements Acker {
  readonly session: string;
  readonly transcripts = new Map<string, ReceivedText>();
  /** anything that should not have come */
  readonly faults: string[] = [];
  firstDelta: FirstDelta | undefined;
  /** Called when an end came. */
  onEnd: (() => void) | undefined;
  /** Called with each delta's text as it came. */
  onRawDelta: ((raw: string) => void) | undefined;
  readonly #target: Target;
  readonly #context: ViewerContext;
  #pipe: Pipe | undefined;
  #waiting: Waiting | undefined;
  #unacked = 0;
  /** seq of the newest token acked of the generation that is owed one */
  #acked = 0;
  #owed: DeltaFrame | undefined;
  #scheduled = false;
  #role: Role = 'viewer';

  constructor(session: string, target: Target, context: ViewerContext) {
    this.session = session;
    this.#target = target;
    this.#context = context;
  }

  /** Resolves when frames can be sent. @throws Error when the connection is refused */
  async open(): Promise<void> {
    const ready = this.#target.kind === 'edge' ? this.#next('ready') : undefined;
    this.#pipe = await openPipe(this.#target, `/${this.session}`, {
      text: (payload) => this.#onText(payload.toString()),
      lost: (reason) => {
        this.faults.push(reason);
        this.#waiting?.reject(new Error(reason));
      },
    });
    await ready;
  }

  async subscribe(role: Role = 'viewer'): Promise<void> {
    this.#role = role;
    const subscribed = this.#next('subscribed');
    const observe = role === 'observer' ? { observe: true } : {};
    this.#pipe?.send({ type: 'subscribe', session: this.session, ...observe });
    await subscribed;
  }

  prompt(generation: string, body: PromptBody): void {
    this.#pipe?.send({ type: 'prompt', session: this.session, generation, ...body });
  }

  /** Asks for the end of what has not ended. */
  cancel(): void {
    for (const [generation, { ended }] of this.transcripts)
      if (!ended) this.#pipe?.send({ type: 'cancel', session: this.session, generation });
  }

  ackIfDue(): void {
    this.#scheduled = false;
    if (this.#unacked > 0) this.#ack();
  }

  close(): void {
    this.#pipe?.close();
  }

  #next(type: ServerFrame['type']): Promise<void> {
    return new Promise((resolve, reject) => (this.#waiting = { type, resolve, reject }));
  }

  #onText(text: string): void {
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type === 'delta') {
      this.onRawDelta?.(text);
      return this.#onDelta(frame);
    }
    if (frame.type === 'end') {
      if (this.#unacked > 0) this.#ack();
      this.#context.tally.ended += 1;
      this.onEnd?.();
      this.#transcript(frame.generation).end(frame);
    } else if (frame.type === 'reset') this.#transcript(frame.generation).reset(frame.epoch);
    else if (frame.type === 'error') this.faults.push(`error ${frame.code}: ${frame.message}`);
    if (this.#waiting?.type === frame.type) this.#waiting.resolve();
  }

  #onDelta(frame: DeltaFrame): void {
    const { from, seq, text } = frame;
    this.#context.tally.delta(frame);
    this.#transcript(frame.generation).delta(frame);
    this.firstDelta ??= { seq, text, atMs: performance.now() };
    if (this.#target.kind !== 'edge' || this.#role === 'observer') return;
    if (this.#owed?.generation !== frame.generation) this.#acked = from;
    this.#owed = frame;
    this.#unacked += 1;
    if (this.#unacked >= ACK_EVERY_FRAMES || seq - this.#acked >= ACK_TOKENS) this.#ack();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#context.acks.add(this);
    }
  }

  #ack(): void {
    if (this.#owed === undefined) return;
    const { session, generation, epoch, seq } = this.#owed;
    this.#unacked = 0;
    this.#acked = seq;
    const json = `{"type":"ack","session":"${session}","generation":"${generation}","epoch":${epoch},"seq":${seq}}`;
    this.#pipe?.sendEncoded(encodeClientFrame(TEXT, json));
  }

  #transcript(generation: string): ReceivedText {
    const known = this.transcripts.get(generation);
    if (known !== undefined) return known;
    const transcript = new ReceivedText();
    this.transcripts.set(generation, transcript);
    this.#context.tally.started += 1;
    return transcript;
  }
}
