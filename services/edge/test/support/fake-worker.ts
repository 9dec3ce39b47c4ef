import { readChain, tokensOf } from '@sluice/bus';
import type { Bus, StoredItem } from '@sluice/bus';
import { ChunkWriter, claim, finish, park, requeue, transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { ControlAck, End, GenerationKey, Token } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';

type StoredRun = StoredItem & { readonly item: StoredGeneration };

/** A worker that does what a test says, and nothing by itself. */
export class FakeWorker {
  readonly name: string;
  readonly #bus: Bus;
  readonly #models: readonly string[];

  constructor(bus: Bus, name: string, models: readonly string[]) {
    this.#bus = bus;
    this.name = name;
    this.#models = models;
  }

  announce(): Promise<void> {
    return this.#bus.workers.announce({ worker: this.name, models: this.#models, slots: 4, running: [] });
  }

  retire(): Promise<void> {
    return this.#bus.workers.retire(this.name);
  }

  /** Claims a generation once it is queued; in a new epoch when the text is to start again. */
  async claim(key: GenerationKey, { newEpoch = false } = {}): Promise<FakeRun> {
    const stored = await waitFor(async () => this.#queued(key), { what: 'a queued generation', pollMs: 1 });
    const item = claim(stored.item, this.name) as StoredGeneration;
    const rev = await this.#bus.sessions.updateItem(key, item, stored.rev);
    if (rev === undefined) throw new Error('expected the claim to be written, it was not');
    const head = await this.#bus.tokens.head(key);
    const epoch = (head?.record.epoch ?? 0) + (newEpoch ? 1 : 0);
    const prefix = newEpoch ? [] : await this.#prefix(key);
    return new FakeRun(this.#bus, key, new ChunkWriter(item.attempt, epoch, head), prefix);
  }

  /** What earlier attempts have stored. */
  async #prefix(key: GenerationKey): Promise<Token[]> {
    const head = await this.#bus.tokens.head(key);
    if (head === undefined) return [];
    return tokensOf(await readChain(this.#bus.tokens, key, head, 0));
  }

  async #queued(key: GenerationKey): Promise<StoredRun | undefined> {
    const stored = await this.#bus.sessions.item(key, key.generation);
    return stored?.item.kind === 'generation' && stored.item.status === 'queued'
      ? { ...stored, item: stored.item }
      : undefined;
  }
}

/** One claim on one generation. */
export class FakeRun {
  readonly key: GenerationKey;
  readonly acks: ControlAck[] = [];
  /** users who asked to cancel */
  readonly cancels: string[] = [];
  readonly #bus: Bus;
  readonly #writer: ChunkWriter;
  readonly #tokens: Token[];
  #serving: { close(): void } | undefined;

  constructor(bus: Bus, key: GenerationKey, writer: ChunkWriter, prefix: readonly Token[]) {
    this.#bus = bus;
    this.key = key;
    this.#writer = writer;
    this.#tokens = [...prefix];
  }

  /** Listens for control, as a live run does. */
  async serve(): Promise<void> {
    this.#serving = await this.#bus.control.serve(this.key, {
      ack: (ack) => void this.acks.push(ack),
      cancel: (user) => {
        this.cancels.push(user);
        return { type: 'cancelling', attempt: this.#writer.attempt };
      },
    });
  }

  /** Stores each token as a record of its own. */
  async write(...tokens: readonly Token[]): Promise<void> {
    for (const token of tokens) await this.#append([token]);
  }

  /** Ends the log, then the item. */
  async end(end: End = { reason: 'stop' }): Promise<void> {
    await this.endLog(end);
    await this.settle(end);
  }

  /** Ends the log only, as a worker that dies just after. */
  endLog(end: End = { reason: 'stop' }): Promise<void> {
    return this.#append([], end);
  }

  settle(end: End): Promise<void> {
    this.#serving?.close();
    return this.#update((item) => finish(item, end, this.#at(), transcriptOf(this.#tokens)));
  }

  park(): Promise<void> {
    this.#serving?.close();
    return this.#update((item) =>
      park(item, item.attempt, {
        at: this.#at(),
        transcript: transcriptOf(this.#tokens),
        now: Date.now(),
      }),
    );
  }

  requeue(): Promise<void> {
    this.#serving?.close();
    return this.#update(requeue);
  }

  /** Tries to write although somebody else may own the generation; resolves to what the log said. */
  async tryToWrite(token: Token): Promise<string> {
    const { draft } = this.#writer.draft([token], Date.now());
    return (await this.#bus.tokens.append(this.key, draft)).type;
  }

  #at(): { epoch: number; seq: number } {
    return { epoch: this.#writer.epoch, seq: this.#writer.head };
  }

  async #append(tokens: readonly Token[], end?: End): Promise<void> {
    const { draft } = this.#writer.draft(tokens, Date.now(), end);
    const outcome = await this.#bus.tokens.append(this.key, draft);
    if (outcome.type !== 'stored') throw new Error(`expected the record to be stored, got ${outcome.type}`);
    this.#writer.stored(outcome.sequence);
    this.#tokens.push(...tokens);
  }

  async #update(change: (item: StoredGeneration) => StoredGeneration | undefined): Promise<void> {
    const stored = await this.#bus.sessions.item(this.key, this.key.generation);
    if (stored?.item.kind !== 'generation') throw new Error('expected a generation, there is none');
    const next = change(stored.item);
    if (next === undefined) throw new Error(`expected a change to be allowed in ${stored.item.status}`);
    await this.#bus.sessions.updateItem(this.key, next, stored.rev);
  }
}
