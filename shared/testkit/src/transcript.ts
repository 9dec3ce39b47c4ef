import { createHash } from 'node:crypto';
import type {
  DeltaFrame,
  EndFrame,
  EndReason,
  GenerationItem,
  Position,
  ServerFrame,
} from '@sluice/protocol';

/** What one attachment (a connection, from one `subscribe` on) received, in order. */
export type ReceivedFrames = {
  readonly frames: readonly ServerFrame[];
  /** the position the client named in `subscribe`; default none */
  readonly given?: Position;
};

/** Counts are tokens. A faultless transcript has no violations; wire duplicates alone are legal (see below). */
export type TranscriptReport = {
  readonly text: string;
  readonly reasoning: string;
  /** the calls' joined texts by index */
  readonly toolCalls: ReadonlyMap<number, string>;
  /** of the last attachment */
  readonly epoch: number;
  readonly seq: number;
  readonly reason: EndReason | undefined;
  /** attachments that got their `end` */
  readonly ends: number;
  /** tokens that were received before: legal after a reconnect that named an older position than it had */
  readonly wireDuplicates: number;
  /** tokens skipped: `from` beyond the previous seq, or an `end` beyond the last delta */
  readonly holes: number;
  /** tokens repeated within an attachment: `from` before the previous seq */
  readonly overlaps: number;
  /** one sentence per broken rule, in order */
  readonly violations: readonly string[];
};

type Content = {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: ReadonlyMap<number, string>;
};

const EMPTY: Content = { text: '', reasoning: '', toolCalls: new Map() };

const append = (content: Content, delta: DeltaFrame): Content => {
  if (delta.kind === 'reasoning') return { ...content, reasoning: content.reasoning + delta.text };
  if (delta.kind !== 'tool_call') return { ...content, text: content.text + delta.text };
  const index = delta.tool?.index ?? 0;
  const call = (content.toolCalls.get(index) ?? '') + delta.text;
  return { ...content, toolCalls: new Map(content.toolCalls).set(index, call) };
};

const contentOf = (item: GenerationItem): Content => ({
  text: item.text ?? '',
  reasoning: item.reasoning ?? '',
  toolCalls: new Map((item.toolCalls ?? []).map((call, index) => [index, call.arguments])),
});

/** What is known of one epoch over all attachments. */
class EpochLog {
  readonly received = new Set<number>();
  // A frame does not say where its tokens begin, so text can be resumed only at seqs where a frame ended.
  readonly boundaries = new Map<number, Content>([[0, EMPTY]]);
}

class Checker {
  readonly violations: string[] = [];
  wireDuplicates = 0;
  holes = 0;
  overlaps = 0;
  ends = 0;
  reason: EndReason | undefined;
  content = EMPTY;
  epoch = 0;
  seq = 0;
  readonly #generation: string;
  readonly #logs = new Map<number, EpochLog>();
  #attachment = -1;
  #deltas = 0;
  #hasPosition = false;
  #ended = false;
  #item: GenerationItem | undefined;

  constructor(generation: string) {
    this.#generation = generation;
  }

  attach({ frames, given }: ReceivedFrames): void {
    this.#attachment += 1;
    this.#ended = false;
    this.#item = undefined;
    this.#hasPosition = given !== undefined;
    this.#moveTo(given ?? { epoch: 0, seq: 0 });
    const deltasBefore = this.#deltas;
    for (const frame of frames) this.#apply(frame);
    // R7: a generation that was done already is told by its item alone.
    if (this.#item && !this.#ended && this.#deltas === deltasBefore) this.#adopt(this.#item);
  }

  #apply(frame: ServerFrame): void {
    if (frame.type === 'subscribed') {
      const item = frame.items.find(({ id }) => id === this.#generation);
      if (item?.kind === 'generation' && item.status === 'done' && item.text !== undefined) this.#item = item;
      return;
    }
    if (!('generation' in frame) || frame.generation !== this.#generation) return;
    if (frame.type !== 'delta' && frame.type !== 'reset' && frame.type !== 'end') return;
    if (this.#ended) this.#broken(`\`${frame.type}\` after \`end\``);
    if (frame.type === 'delta') this.#delta(frame);
    else if (frame.type === 'end') this.#end(frame);
    else this.#reset(frame.epoch);
  }

  #reset(epoch: number): void {
    if (this.#hasPosition && epoch < this.epoch)
      this.#broken(`reset back from epoch ${this.epoch} to ${epoch}`);
    this.#hasPosition = true;
    this.#moveTo({ epoch, seq: 0 });
  }

  #delta(delta: DeltaFrame): void {
    const { epoch, from, seq } = delta;
    this.#deltas += 1;
    if (epoch !== this.epoch) {
      // A viewer that named no position and has nothing may begin in any epoch.
      if (this.#hasPosition) this.#broken(`epoch ${this.epoch} became ${epoch} without \`reset\``);
      this.#moveTo({ epoch, seq: 0 });
    }
    this.#hasPosition = true;
    this.#checkPosition();
    if (seq <= from) this.#broken(`delta (${from}, ${seq}] is empty or backwards`);
    if (from > this.seq) this.#hole(this.seq, from, 'delta');
    if (from < this.seq) {
      this.overlaps += this.seq - from;
      this.#broken(`overlap: delta from ${from}, expected ${this.seq}`);
    }
    const log = this.#log(epoch);
    for (let token = from + 1; token <= seq; token += 1) {
      if (log.received.has(token)) this.wireDuplicates += 1;
      log.received.add(token);
    }
    // Without a hole or an overlap the boundary at `from` is the content; with one, text is rebuilt from what fits.
    this.content = append(log.boundaries.get(from) ?? this.content, delta);
    log.boundaries.set(seq, this.content);
    this.seq = seq;
  }

  #end(end: EndFrame): void {
    this.ends += 1;
    this.#ended = true;
    this.#sameReason(end.reason);
    const item = this.#item;
    if (item && item.epoch === end.epoch && item.seq === end.seq) {
      // R3: the item's text stands for deltas that no longer exist.
      this.#adopt(item);
      return;
    }
    this.#checkPosition();
    if (end.epoch !== this.epoch) this.#broken(`end in epoch ${end.epoch}, expected ${this.epoch}`);
    else if (end.seq > this.seq) this.#hole(this.seq, end.seq, 'end');
    else if (end.seq < this.seq) this.#broken(`end at ${end.seq}, deltas reached ${this.seq}`);
  }

  #adopt(item: GenerationItem): void {
    const told = this.#log(item.epoch).boundaries.get(item.seq);
    const content = contentOf(item);
    if (told && (told.text !== content.text || told.reasoning !== content.reasoning))
      this.#broken("the item's text differs from its deltas");
    if (item.reason !== undefined) this.#sameReason(item.reason);
    this.epoch = item.epoch;
    this.seq = item.seq;
    this.content = content;
  }

  #sameReason(reason: EndReason): void {
    if (this.reason !== undefined && this.reason !== reason)
      this.#broken(`end ${reason}, an earlier reader saw ${this.reason}`);
    this.reason = reason;
  }

  #moveTo({ epoch, seq }: Position): void {
    this.epoch = epoch;
    this.seq = seq;
    this.content = this.#log(epoch).boundaries.get(seq) ?? EMPTY;
  }

  /** A named position must be one that the client had: continuing from another one loses text silently. */
  #checkPosition(): void {
    const log = this.#log(this.epoch);
    if (log.boundaries.has(this.seq)) return;
    this.holes += Math.max(0, this.seq - Math.max(...log.boundaries.keys()));
    this.#broken(`continued from ${this.epoch}-${this.seq}, which no frame had reached`);
    log.boundaries.set(this.seq, this.content);
  }

  #hole(expected: number, got: number, at: string): void {
    this.holes += got - expected;
    this.#broken(`hole: ${at} at ${got}, expected ${expected}`);
  }

  #log(epoch: number): EpochLog {
    const log = this.#logs.get(epoch) ?? new EpochLog();
    this.#logs.set(epoch, log);
    return log;
  }

  #broken(sentence: string): void {
    this.violations.push(`attachment ${this.#attachment}: ${sentence}`);
  }
}

/**
 * Replays what a client received of one generation, over all its attachments in order, and checks rules R1 and R2:
 * within an attachment the deltas of an epoch tile (given position, end] without hole or overlap, a change of epoch
 * is preceded by `reset`, and `end` comes at most once, last, at the seq that the deltas reached.
 */
export const checkTranscript = (
  generation: string,
  attachments: readonly ReceivedFrames[],
): TranscriptReport => {
  const checker = new Checker(generation);
  for (const attachment of attachments) checker.attach(attachment);
  const { content, epoch, seq, reason, ends, wireDuplicates, holes, overlaps, violations } = checker;
  return { ...content, epoch, seq, reason, ends, wireDuplicates, holes, overlaps, violations };
};

/** Hex digest of the text's UTF-8 bytes. */
export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
