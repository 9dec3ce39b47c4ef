import { endGeneration } from '@sluice/lifecycle';
import type { Bus, StoredItem, Subscription } from '@sluice/bus';
import { ChunkWriter } from '@sluice/core';
import type { PublishOutcome, StoredGeneration } from '@sluice/core';
import { headOf } from '@sluice/protocol';
import type { CancelReply, End, GenerationKey, Position, Token, TokenRecord } from '@sluice/protocol';
import { CameTooLate } from './clause-failure.ts';
import { ClauseFailure, NotChecked } from './clause-failure.ts';
import { PlayedEdge } from './played-edge.ts';
import { Watch } from './watch.ts';

/** A version of the item, with its rev. */
export type ItemVersion = { readonly rev: number; readonly item: StoredGeneration };

type StagedOptions = {
  readonly bus: Bus;
  readonly key: GenerationKey;
  readonly model: string;
  /** how long what must happen may take, ms */
  readonly timeoutMs: number;
};

/**
 * One generation as the rest of the system sees it: every record and every version of its item from the
 * first on, with the means to play its edges, its earlier workers and its thieves.
 */
export class StagedGeneration {
  readonly key: GenerationKey;
  /** in the order in which NATS stored them */
  readonly records: TokenRecord[] = [];
  /** of the item, oldest first */
  readonly versions: ItemVersion[] = [];
  readonly #options: StagedOptions;
  readonly #watch = new Watch();
  readonly #edges: PlayedEdge[] = [];
  #tail: Subscription | undefined;

  constructor(options: StagedOptions) {
    this.key = options.key;
    this.#options = options;
  }

  /** Listens; what is stored from now on is seen. */
  async open(): Promise<void> {
    this.#tail = await this.#options.bus.tokens.tail(this.key, {
      record: (_, record) => {
        this.records.push(record);
        for (const edge of this.#edges) edge.onStored(this.head);
        this.#watch.changed();
      },
      item: ({ rev, item }: StoredItem) => {
        if (item.kind === 'generation') this.versions.push({ rev, item });
        this.#watch.changed();
      },
    });
  }

  /** Where the log stands. */
  get head(): Position {
    const newest = this.records.at(-1);
    return newest === undefined ? { epoch: 0, seq: 0 } : { epoch: newest.epoch, seq: headOf(newest) };
  }

  /** The newest version of the item. */
  get newest(): ItemVersion {
    const version = this.versions.at(-1);
    if (version === undefined) throw new TypeError('newest: expected an item, there is none');
    return version;
  }

  get item(): StoredGeneration {
    return this.newest.item;
  }

  /** An edge with one viewer, who has read nothing. */
  attach(): PlayedEdge {
    const edge = new PlayedEdge(this.#options.bus.control, this.key);
    this.#edges.push(edge);
    return edge;
  }

  /** An edge with a viewer who keeps up. */
  follow(): PlayedEdge {
    const edge = this.attach();
    edge.follow(this.head);
    return edge;
  }

  /** Publishes a job; default the one that its item waits for. */
  async enqueue(attempt = this.item.attempt + 1): Promise<void> {
    await this.#options.bus.jobs.publish({ ...this.key, model: this.#options.model, attempt });
  }

  /** Writes the item as somebody else; undefined when another version was faster. */
  async write(item: StoredGeneration, rev = this.newest.rev): Promise<number | undefined> {
    const written = await this.#options.bus.sessions.updateItem(this.key, item, rev);
    if (written !== undefined) await this.until(() => this.newest.rev >= written);
    return written;
  }

  /** Appends to the log as some other worker of this attempt: tokens, an end, or a bare claim. */
  async append(attempt: number, tokens: readonly Token[] = [], end?: End): Promise<PublishOutcome> {
    const { bus } = this.#options;
    let pending = tokens;
    for (;;) {
      const head = await bus.tokens.head(this.key);
      const writer = new ChunkWriter(attempt, head?.record.epoch ?? 0, head);
      const { draft, taken } = writer.draft(pending, Date.now(), end);
      const outcome = await bus.tokens.append(this.key, draft);
      pending = pending.slice(taken);
      if (outcome.type !== 'stored' || pending.length === 0) return outcome;
    }
  }

  /** Claims the log as a newer attempt that begins anew: in the next epoch, hence in another chunk. */
  async restart(attempt: number): Promise<PublishOutcome> {
    const { bus } = this.#options;
    const head = await bus.tokens.head(this.key);
    const epoch = head === undefined ? 0 : head.record.epoch + 1;
    const { draft } = new ChunkWriter(attempt, epoch, head).draft([], Date.now());
    return bus.tokens.append(this.key, draft);
  }

  cancel(): Promise<CancelReply | undefined> {
    return this.#options.bus.control.cancel(this.key, 'check');
  }

  /** The first truthy value of `look`; undefined when there is none in time. */
  until<Found>(
    look: () => Found | false | undefined,
    timeoutMs = this.#options.timeoutMs,
  ): Promise<Found | undefined> {
    return this.#watch.until(look, timeoutMs);
  }

  /** As {@link until}. @throws ClauseFailure when it does not happen in time */
  async expect<Found>(
    what: string,
    look: () => Found | false | undefined,
    timeoutMs = this.#options.timeoutMs,
  ): Promise<Found> {
    const found = await this.until(look, timeoutMs);
    if (found !== undefined) return found;
    throw new ClauseFailure(`${what} within ${timeoutMs / 1000} s`, this.describe());
  }

  /** Waits until so many tokens are stored. @throws ClauseFailure; NotChecked when the answer is too short */
  async expectTokens(seq: number): Promise<void> {
    await this.expect(`${seq} tokens in the log`, () => this.head.seq >= seq || this.#isOver);
    if (this.head.seq >= seq) return;
    const { reason, error } = this.records.at(-1)?.end ?? this.item;
    if (reason !== 'stop' && reason !== 'length')
      throw new ClauseFailure(`${seq} tokens in the log`, `${this.describe()} ${error?.message ?? ''}`);
    throw new NotChecked(
      `the answer ended after ${this.head.seq} tokens, ${seq} are needed: give a --prompt with a longer one`,
    );
  }

  /** Its worker must not have given it up while the check was slow. @throws CameTooLate */
  async demandNotParked(): Promise<void> {
    const stored = await this.#options.bus.sessions.item(this.key, this.key.generation);
    if (stored?.item.kind === 'generation' && stored.item.status === 'parked')
      throw new CameTooLate('the run was parked before the check came to it: the machine is too busy');
  }

  /** Waits for the last version of the item. @throws ClauseFailure */
  expectDone(): Promise<StoredGeneration> {
    return this.expect('the item to be done', () => this.item.status === 'done' && this.item);
  }

  /** What there is, for "what came". */
  describe(): string {
    const { status, attempt, reason } = this.item;
    const end = this.records.at(-1)?.end;
    return (
      `${this.head.seq} tokens in ${this.records.length} records` +
      `${end === undefined ? ', no end' : ` with end ${end.reason}`}, ` +
      `the item ${status}${reason === undefined ? '' : ` (${reason})`} at attempt ${attempt}`
    );
  }

  /** Ends what still runs, so that its slot is free for the next clause, and stops listening. */
  async close(): Promise<void> {
    for (const edge of this.#edges) edge.close();
    try {
      if (this.item.status !== 'done') await this.#end();
    } finally {
      this.#tail?.close();
    }
  }

  get #isOver(): boolean {
    return this.item.status === 'done' || this.records.at(-1)?.end !== undefined;
  }

  async #end(): Promise<void> {
    const { bus } = this.#options;
    const isTold = (await this.cancel().catch(() => undefined)) !== undefined;
    if (isTold && (await this.until(() => this.item.status === 'done', 2_000))) return;
    const stored = await bus.sessions.item(this.key, this.key.generation);
    if (stored?.item.kind !== 'generation' || stored.item.status === 'done') return;
    await endGeneration({ bus, clock: Date }, this.key, { reason: 'cancelled' });
  }
}
