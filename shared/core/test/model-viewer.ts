/** A client as the protocol wants it: it checks every frame it gets and keeps what the deltas say. */
import { expect } from '@jest/globals';
import { kindOf, textOf } from '@sluice/protocol';
import type { End, Position, Token } from '@sluice/protocol';
import { Reader } from '../src/index.ts';
import type { GenerationBuffer } from '../src/index.ts';
import { callOf } from './any-token.ts';

const isWhole = (token: Token): boolean =>
  callOf(token)?.id !== undefined || callOf(token)?.name !== undefined;

/** `expect` is too slow for what is checked hundreds of thousands of times. */
const must = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`expected that ${what}`);
};

/** One run: same kind, same call, and only its first token may bring the call's id and name. */
const isOneRun = ([first, ...rest]: readonly Token[]): boolean =>
  rest.every(
    (token) =>
      kindOf(token) === kindOf(first as Token) &&
      callOf(token)?.index === callOf(first as Token)?.index &&
      !isWhole(token),
  );

export class ModelViewer {
  readonly window: number;
  reader: Reader;
  epoch: number | undefined;
  seq = 0;
  ends: End[] = [];
  /** seqs of frames got and not yet acked, over this attachment */
  unacked: number[] = [];
  /** tokens of the frames of the last pump */
  frames: { readonly from: number; readonly seq: number }[] = [];
  readonly #tokensOf: (epoch: number) => readonly Token[];

  constructor(window: number, tokensOf: (epoch: number) => readonly Token[], position?: Position) {
    this.window = window;
    this.#tokensOf = tokensOf;
    this.epoch = position?.epoch;
    this.seq = position?.seq ?? 0;
    this.reader = new Reader(window, position);
  }

  /** A new attachment (reconnect or repeated subscribe) at what this client has, or says it has. */
  attach(position: Position | undefined): void {
    this.reader = new Reader(this.window, position);
    this.epoch = position?.epoch;
    this.seq = position?.seq ?? 0;
    this.ends = [];
    this.unacked = [];
  }

  /** Sends whatever is due. @returns `behind` when the buffer starts too late for this viewer */
  pump(buffer: GenerationBuffer): 'idle' | 'blocked' | 'behind' {
    this.frames = [];
    for (;;) {
      const step = this.reader.next(buffer);
      if (step === 'idle' || step === 'blocked' || step === 'behind') return step;
      if (step === 'delta') this.#delta(buffer);
      else if (step === 'reset') this.#reset(buffer.epoch);
      else this.#end(buffer);
    }
  }

  /** Acks the oldest `count` frames it has not acked. */
  ackFrames(count: number): void {
    const seq = this.unacked[Math.min(count, this.unacked.length) - 1];
    if (seq === undefined) return;
    this.unacked = this.unacked.filter((frame) => frame > seq);
    this.reader.ack({ epoch: this.epoch as number, seq });
    // An observer has no credit to give back.
    const inFlight = this.window === Infinity ? 0 : this.unacked.length;
    must(this.reader.inFlight === inFlight, 'an ack frees the frames it covers');
  }

  /** Acks that no honest client sends: none of them may free a frame. */
  forgeAck(ahead: number): void {
    const before = this.reader.inFlight;
    const epoch = this.epoch ?? 0;
    expect(this.reader.ack({ epoch, seq: this.reader.sent + 1 + ahead })).toBe(false);
    expect(this.reader.ack({ epoch: epoch + 1, seq: this.seq })).toBe(false);
    expect(this.reader.ack({ epoch: epoch - 1, seq: this.seq })).toBe(false);
    expect(this.reader.ack({ epoch, seq: this.reader.acked })).toBe(false);
    expect(this.reader.inFlight).toBe(before);
  }

  #delta(buffer: GenerationBuffer): void {
    const from = this.reader.sent;
    const slice = buffer.slice(from);
    if (slice === undefined) throw new Error('a delta without tokens');
    this.reader.advance(slice.seq);
    this.epoch ??= buffer.epoch;
    must(from === this.seq && slice.seq > from, 'deltas tile: no hole, no overlap (R1)');
    const tokens = this.#tokensOf(buffer.epoch).slice(from, slice.seq);
    must(tokens.length === slice.seq - from, 'only stored tokens are shown');
    const text: unknown = JSON.parse(`"${slice.text.toString('utf8')}"`);
    must(text === tokens.map(textOf).join(''), 'a delta has the text of its tokens');
    must(isOneRun(tokens), 'a delta holds one kind and one tool call');
    must(slice.kind === kindOf(tokens[0] as Token), 'a delta has the kind of its tokens');
    const tool = callOf(tokens[0] as Token);
    if (slice.tool !== tool) expect(slice.tool).toEqual(tool);
    this.seq = slice.seq;
    this.frames.push({ from, seq: slice.seq });
    this.unacked.push(slice.seq);
    must(this.unacked.length <= this.window, 'no more than a window is in flight (R4)');
    must(this.ends.length === 0, 'no delta follows the end');
  }

  #reset(epoch: number): void {
    this.reader.restart(epoch);
    this.epoch = epoch;
    this.seq = 0;
    this.ends = [];
    this.unacked = [];
  }

  #end(buffer: GenerationBuffer): void {
    this.reader.finish();
    this.epoch ??= buffer.epoch;
    expect(this.seq).toBe(buffer.head);
    this.ends.push(buffer.end as End);
  }
}
