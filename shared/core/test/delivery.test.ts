/**
 * Writer, log, live path, replay, buffer and readers together, against the naive reading of the log:
 * whatever is lost, doubled, reordered, stalled, restarted or forged, every viewer gets the stored text.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { End, Position, StoredRecord, Token, TokenRecord } from '@sluice/protocol';
import { ChunkWriter, GenerationBuffer } from '../src/index.ts';
import { anyEnd, anyTokens } from './any-token.ts';
import { ModelLog } from './model-log.ts';
import { ModelViewer } from './model-viewer.ts';

type Op =
  | { readonly type: 'produce'; readonly tokens: readonly Token[]; readonly group: number }
  | { readonly type: 'claim' | 'restart' | 'edge_restart' }
  | { readonly type: 'deliver' | 'lose' | 'double'; readonly at: number }
  | { readonly type: 'pump' | 'stale_attempt' }
  | { readonly type: 'ack'; readonly viewer: number; readonly frames: number }
  | { readonly type: 'forge'; readonly viewer: number; readonly ahead: number }
  | { readonly type: 'attach'; readonly viewer: number; readonly epochs: number; readonly seqs: number };

const small = fc.nat({ max: 7 });
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('produce' as const),
      tokens: anyTokens(25),
      group: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom('claim' as const, 'restart' as const, 'edge_restart' as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom('deliver' as const, 'deliver' as const, 'lose' as const, 'double' as const),
      at: small,
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('pump' as const, 'stale_attempt' as const) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('ack' as const), viewer: small, frames: small }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('forge' as const), viewer: small, ahead: small }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('attach' as const),
      viewer: small,
      epochs: fc.integer({ min: -1, max: 1 }),
      seqs: fc.integer({ min: -60, max: 3 }),
    }),
  },
);

/** One generation, one edge, several viewers. */
class World {
  readonly log = new ModelLog();
  readonly viewers: readonly ModelViewer[];
  writer = new ChunkWriter(1);
  buffer = new GenerationBuffer();
  #live: TokenRecord[] = [];
  #texts = new Map<number, Token[]>();

  constructor(windows: readonly number[]) {
    this.viewers = windows.map((window) => new ModelViewer(window, (epoch) => this.textOf(epoch)));
  }

  textOf(epoch: number): Token[] {
    const text = this.#texts.get(epoch) ?? [];
    this.#texts.set(epoch, text);
    return text;
  }

  run(op: Op): void {
    switch (op.type) {
      case 'produce':
        return this.produce(op.tokens, op.group);
      case 'claim':
        return this.claim(this.writer.epoch);
      case 'restart':
        return this.claim(this.writer.epoch + 1);
      case 'stale_attempt':
        return this.staleAttempt();
      case 'edge_restart':
        return this.edgeRestart();
      case 'deliver':
      case 'lose':
      case 'double':
        return this.live(op.type, op.at);
      case 'pump':
        return this.pump();
      case 'ack':
        return this.viewer(op.viewer).ackFrames(op.frames);
      case 'forge':
        return this.viewer(op.viewer).forgeAck(op.ahead);
      case 'attach':
        return this.attach(op.viewer, op.epochs, op.seqs);
    }
  }

  viewer(index: number): ModelViewer {
    return this.viewers[index % this.viewers.length] as ModelViewer;
  }

  produce(tokens: readonly Token[], group: number, end?: End): void {
    let left = tokens;
    do {
      const chosen = left.slice(0, group);
      const last = chosen.length === left.length ? end : undefined;
      const { draft, taken } = this.writer.draft(chosen, 1, last);
      this.#store(draft);
      this.textOf(this.writer.epoch).push(...chosen.slice(0, taken));
      left = left.slice(taken);
      if (draft.final) return;
    } while (left.length > 0 || end !== undefined);
  }

  /** A new attempt takes over; from its claim on, what the older one drafts is refused. */
  claim(epoch: number): void {
    this.writer = new ChunkWriter(this.writer.attempt + 1, epoch, this.log.head);
    this.#store(this.writer.draft([], 1).draft);
  }

  /** The attempt before, still alive, drafted from the log as it was. */
  staleAttempt(): void {
    const before = this.log.records.at(-2);
    if (before === undefined) return;
    const { attempt, epoch } = before.record;
    const { draft } = new ChunkWriter(attempt, epoch, before).draft(['zombie'], 1);
    expect(this.log.append(draft)).toBeUndefined();
  }

  live(what: 'deliver' | 'lose' | 'double', at: number): void {
    const [record] = what === 'double' ? this.#live.slice(at, at + 1) : this.#live.splice(at, 1);
    if (record !== undefined && what !== 'lose') this.apply(record);
  }

  apply(record: TokenRecord): void {
    if (this.buffer.apply(record) !== 'hole') return;
    const head = this.log.head as StoredRecord;
    const from = head.record.epoch === this.buffer.epoch ? this.buffer.head : 0;
    for (const older of this.#chain(head, from)) expect(this.buffer.apply(older)).not.toBe('hole');
  }

  /** A fresh edge holds only the head's chunk; every viewer comes back with what it has. */
  edgeRestart(): void {
    const head = this.log.head?.record;
    this.buffer = new GenerationBuffer(head?.epoch, head?.base);
    if (head !== undefined) this.buffer.apply(head);
    this.#live = [];
    for (const viewer of this.viewers)
      viewer.attach(viewer.epoch === undefined ? undefined : { epoch: viewer.epoch, seq: viewer.seq });
  }

  pump(): void {
    for (const viewer of this.viewers) {
      if (viewer.pump(this.buffer) !== 'behind') continue;
      this.#loadOlder();
      expect(viewer.pump(this.buffer)).not.toBe('behind');
    }
  }

  attach(index: number, epochs: number, seqs: number): void {
    const epoch = this.buffer.epoch + epochs;
    const position: Position = { epoch, seq: Math.max(0, this.buffer.head + seqs) };
    const viewer = this.viewer(index);
    viewer.attach(position);
    viewer.pump(this.buffer);
    // R2: what the log does not have restarts at (current epoch, 0).
    const known = epochs === 0 && position.seq <= this.buffer.head;
    if (known) return;
    expect(viewer.epoch).toBe(this.buffer.epoch);
    expect(viewer.frames[0]?.from ?? 0).toBe(0);
  }

  /** Everything is delivered in the end: the tail check finds lost live records, acks free the rest. */
  settle(end: End): void {
    this.produce([], 1, end);
    this.apply((this.log.head as StoredRecord).record);
    this.pump();
    while (this.viewers.some((viewer) => viewer.unacked.length > 0)) {
      for (const viewer of this.viewers) viewer.ackFrames(Infinity);
      this.pump();
    }
  }

  #loadOlder(): void {
    const head = this.log.head as StoredRecord;
    this.buffer = new GenerationBuffer(head.record.epoch, 0);
    for (const record of this.#chain(head, 0)) this.buffer.apply(record);
  }

  #chain(head: StoredRecord, from: number): TokenRecord[] {
    const { chunks, complete } = this.log.read(head, from);
    if (!complete) throw new Error('nothing of this log has expired');
    return chunks.map(({ record }) => record);
  }

  #store(draft: Parameters<ModelLog['append']>[0]): void {
    const stored = this.log.append(draft) as StoredRecord;
    this.writer.stored(stored.sequence);
    this.#live.push(stored.record);
  }
}

const anyWindows = fc.array(fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(Infinity)), {
  minLength: 1,
  maxLength: 4,
});

test('every viewer gets exactly the stored text and one end, whatever happens on the way', () => {
  fc.assert(
    fc.property(anyWindows, fc.array(anyOp, { maxLength: 60, size: 'max' }), anyEnd, (windows, ops, end) => {
      const world = new World(windows);
      for (const op of ops) world.run(op);
      world.settle(end);
      const { epoch } = world.writer;
      expect(world.log.tokens(epoch)).toEqual(world.textOf(epoch));
      for (const viewer of world.viewers) {
        expect(viewer.seq).toBe(world.textOf(epoch).length);
        expect(viewer.epoch).toBe(epoch);
        expect(viewer.ends).toEqual([end]);
        expect(viewer.reader.next(world.buffer)).toBe('idle');
      }
    }),
    { numRuns: 1_000 },
  );
});

test('a viewer that stalled gets its backlog as one frame per run', () => {
  fc.assert(
    fc.property(anyTokens(70), fc.integer({ min: 1, max: 40 }), (tokens, group) => {
      const world = new World([1, Infinity]);
      const [stalled, observer] = world.viewers as [ModelViewer, ModelViewer];
      world.produce(['first'], 1);
      world.live('deliver', 0);
      world.pump();
      world.produce(tokens, group);
      world.apply((world.log.head as StoredRecord).record);
      world.pump();
      expect(stalled.seq).toBe(1);
      const frames: { from: number; seq: number }[] = [];
      while (stalled.unacked.length > 0) {
        stalled.ackFrames(1);
        world.pump();
        frames.push(...stalled.frames);
      }
      const late = new ModelViewer(Infinity, (epoch) => world.textOf(epoch), { epoch: 0, seq: 1 });
      late.pump(world.buffer);
      expect(frames).toEqual(late.frames);
      expect(observer.seq).toBe(stalled.seq);
    }),
    { numRuns: 1_000 },
  );
});
