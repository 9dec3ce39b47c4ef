import type { DeltaFrame, EndFrame, Item, Position, ServerFrame } from '@sluice/protocol';
import { marksOf, watermarkOf } from './history.ts';
import type { FindingKind, Report } from './finding.ts';
import type { History, StoredText, ViewerTranscript } from './history.ts';

/** Follows one viewer over all its connections: rules R1-R3 and invariants I1-I4, I6. */
class ViewerJudge {
  readonly #history: History;
  readonly #text: StoredText;
  readonly #wrong: (kind: FindingKind, tokens: number, detail: string) => void;
  /** seq that deltas took it to, and that texts of finished items did, by epoch */
  readonly #reached = new Map<number, number>();
  readonly #summed = new Map<number, number>();
  #index = -1;
  #position: Position = { epoch: 0, seq: 0 };
  #isNamed = false;
  #ends = 0;
  isFinished = false;
  delivered = 0;
  /** tokens that a delta brought before, on any connection; legal where the client named an older position */
  wireDuplicates = 0;

  constructor(history: History, name: string, text: StoredText, report: Report) {
    this.#history = history;
    this.#text = text;
    this.#wrong = (kind, tokens, detail) =>
      report({ kind, where: name, index: Math.max(0, this.#index), tokens, detail });
  }

  connect(given: Position | undefined): void {
    this.#ends = 0;
    this.#isNamed = given !== undefined;
    this.#position = given ?? { epoch: 0, seq: 0 };
    if (given !== undefined && given.seq > this.#knows(given.epoch))
      this.#wrong('hole', 1, `named ${given.epoch}-${given.seq}, which it never reached`);
  }

  frame(frame: ServerFrame): void {
    this.#index += 1;
    if (frame.type === 'subscribed' && frame.session === this.#history.session) this.#items(frame);
    if (frame.type === 'item') this.#told(frame.item);
    if (!('generation' in frame) || frame.generation !== this.#history.generation) return;
    if (frame.type === 'delta' || frame.type === 'end' || frame.type === 'reset') {
      if (this.#ends > 0) this.#wrong('ends', 1, `${frame.type} after the end`);
    }
    // Nothing expires in these runs while somebody reads it. An answer to a cancel that overtook its prompt says no such thing.
    if (frame.type === 'error' && frame.code === 'not_found' && frame.re === undefined)
      this.#wrong('truncated', 1, 'told that tokens are gone which the log has');
    if (frame.type === 'delta') this.#delta(frame);
    else if (frame.type === 'end') this.#end(frame);
    else if (frame.type === 'reset') this.#reset(frame.epoch);
  }

  close(): void {
    if (this.isFinished) return;
    const stored = this.#text.epochs.get(this.#text.epoch)?.length ?? 0;
    const has = this.#knows(this.#text.epoch);
    this.#wrong('truncated', Math.max(1, stored - has), `has ${has} of ${stored} tokens and no end`);
  }

  /** R7: a finished generation is told by its item alone. */
  #items(frame: ServerFrame & { type: 'subscribed' }): void {
    const item = frame.items.find(({ id }) => id === this.#history.generation);
    if (item?.kind !== 'generation' || item.status !== 'done' || item.text === undefined) return;
    const stored = (this.#text.epochs.get(item.epoch) ?? []).join('');
    if (item.text !== stored) this.#stranger(item.text, 0, item.seq, stored);
    this.isFinished = true;
    this.#summed.set(item.epoch, Math.max(item.seq, this.#summed.get(item.epoch) ?? 0));
  }

  /** Up to where it has been sent the text of an epoch in one way or the other. */
  #knows(epoch: number): number {
    return Math.max(this.#reached.get(epoch) ?? 0, this.#summed.get(epoch) ?? 0);
  }

  /** Done at the position it has: nothing more can come, whether or not an end follows. */
  #told(item: Item): void {
    if (item.kind !== 'generation' || item.id !== this.#history.generation || item.status !== 'done') return;
    const { epoch, seq } = this.#position;
    if (item.seq === seq && (item.epoch === epoch || seq === 0)) this.isFinished = true;
  }

  #reset(epoch: number): void {
    if (epoch < this.#position.epoch) this.#wrong('reordered', 1, `reset back to epoch ${epoch}`);
    this.#position = { epoch, seq: 0 };
    this.#isNamed = true;
  }

  #delta({ epoch, from, seq, text }: DeltaFrame): void {
    if (epoch !== this.#position.epoch) {
      if (this.#isNamed) this.#wrong('reordered', 1, `epoch ${epoch} without reset`);
      this.#position = { epoch, seq: 0 };
    }
    this.#isNamed = true;
    const before = this.#position.seq;
    const reached = this.#reached.get(epoch) ?? 0;
    if (from > before) this.#wrong('hole', from - before, `delta from ${from}, expected ${before}`);
    if (from < before) this.#wrong('wire_duplicate', before - from, `delta from ${from}, expected ${before}`);
    this.wireDuplicates += Math.max(0, Math.min(seq, reached) - from);
    if (seq <= from) this.#wrong('reordered', 1, `delta (${from}, ${seq}]`);
    const stored = (this.#text.epochs.get(epoch) ?? []).slice(from, seq).join('');
    if (text !== stored) this.#stranger(text, from, seq, stored);
    this.delivered += seq - from;
    this.#position = { epoch, seq };
    this.#reached.set(epoch, Math.max(reached, seq));
  }

  #end({ epoch, seq, reason }: EndFrame): void {
    this.#ends += 1;
    this.isFinished = true;
    const { end } = this.#text;
    const stored = end?.seq ?? this.#history.item?.seq ?? 0;
    const storedReason = end?.reason ?? this.#history.item?.reason;
    if (reason !== storedReason) this.#wrong('ends', 1, `end ${reason}, stored ${storedReason}`);
    if (seq !== stored) this.#wrong('ends', 1, `end at ${seq}, stored at ${stored}`);
    const has = epoch === this.#position.epoch ? this.#position.seq : 0;
    const isTold = this.#knows(epoch) >= seq;
    if (has < seq && !isTold) this.#wrong('hole', seq - has, `end at ${seq}, deltas reached ${has}`);
  }

  /** The text is not what is stored there: why, as far as its marks tell. */
  #stranger(text: string, from: number, seq: number, stored: string): void {
    const marks = marksOf(text);
    const watermark = watermarkOf(this.#history);
    const detail = `(${from}, ${seq}] is ${text.slice(0, 60)}…, stored ${stored.slice(0, 60)}…`;
    if (marks === undefined || marks.some((mark) => mark.watermark !== watermark))
      return this.#wrong('foreign', seq - from, detail);
    const seqs = marks.map((mark) => mark.seq);
    const last = this.#text.epochs.get(this.#text.epoch)?.length ?? 0;
    const beyond = seqs.filter((each) => each > last).length;
    if (beyond > 0) return this.#wrong('phantom', beyond, detail);
    if (new Set(seqs).size < seqs.length)
      return this.#wrong('duplicate', seqs.length - new Set(seqs).size, detail);
    if (seqs.some((each, i) => i > 0 && each <= (seqs[i - 1] ?? 0)))
      return this.#wrong('reordered', 1, detail);
    if (seqs.length < seq - from) return this.#wrong('truncated', seq - from - seqs.length, detail);
    this.#wrong('reordered', seq - from, detail);
  }
}

/** @returns tokens delivered, and how many of them were repeats */
export const judgeViewer = (
  history: History,
  { name, connections, mustFinish }: ViewerTranscript,
  text: StoredText,
  report: Report,
): { readonly delivered: number; readonly wireDuplicates: number } => {
  const viewer = new ViewerJudge(history, name, text, report);
  for (const { given, received } of connections) {
    viewer.connect(given);
    for (const { frame } of received) viewer.frame(frame);
  }
  if (mustFinish) viewer.close();
  const { delivered, wireDuplicates } = viewer;
  return { delivered, wireDuplicates };
};
