import { BusUnavailableError } from '@sluice/bus';
import type { ErasedItem, ItemPage, StoredCard, StoredItem, Subscription, TailListener } from '@sluice/bus';
import { isRetryable } from '@sluice/protocol';
import type {
  ErrorCode,
  GenerationId,
  Position,
  PresenceMessage,
  RunState,
  SessionKey,
  TokenRecord,
} from '@sluice/protocol';
import { generationIds } from '@sluice/runtime';
import { Audience } from './audience.ts';
import { CardWatch } from './card-watch.ts';
import type { CardListener } from './card-watch.ts';
import type { FeedContext } from './feed-context.ts';
import { encodeFrame } from './frames.ts';
import type { Frame } from './frames.ts';
import { GenerationFeeds } from './generation-feeds.ts';
import { itemFrame, listFrame, removedFrame } from './item-frames.ts';
import { PresenceRoster } from './presence-roster.ts';
import { SessionItems } from './session-items.ts';
import type { ItemsListener } from './session-items.ts';
import type { Known } from './store-watch.ts';
import { statsWatchOf } from './stats-watch.ts';
import type { StatsWatch } from './stats-watch.ts';
import type { Viewer } from './viewer.ts';

/** What came live while a list was read. */
type Collector = (StoredItem | ErasedItem)[];
const NO_COLLECTORS: readonly Collector[] = [];

const STORE_REPLACED = 'the store was replaced';
const SESSION_DELETED = 'this session was deleted';
const ITEM_DELETED = 'this item was deleted';

/** A page, and whether it takes the place of all that a viewer has. */
type Listed = { readonly page: ItemPage; readonly isReset: boolean };

/**
 * The edge's one live subscription to a session, shared by all its viewers here. Owns the session's generation feeds
 * and its roster. It listens to its parts itself: a set of closures for each session would be a KiB.
 */
export class Feed implements TailListener, CardListener, ItemsListener {
  readonly key: SessionKey;
  readonly #context: FeedContext;
  /** of a stats session */
  readonly #watch: StatsWatch | undefined;
  readonly #viewers: Audience;
  readonly #generations: GenerationFeeds;
  // Made when needed: most feeds have one viewer, and never any of these.
  /** generations whose first sign was a record: their item is being read */
  #discovering: Set<string> | undefined;
  /** items that came live while a viewer's list was being read */
  #collectors: readonly Collector[] = NO_COLLECTORS;
  /** viewers that are to begin anew */
  #unsettled: Set<Viewer> | undefined;
  readonly #card: CardWatch;
  #items: SessionItems;
  #tail: Subscription | undefined;
  #tailing: Promise<void> | undefined;
  #roster: PresenceRoster | undefined;
  #opened: Promise<void> | undefined;
  #isOpen = false;
  #idleSince: number | undefined;
  #isSettling = false;
  #isClosed = false;

  constructor(key: SessionKey, context: FeedContext) {
    this.key = key;
    this.#viewers = new Audience(key.session);
    this.#generations = new GenerationFeeds(key, context);
    this.#context = context;
    this.#watch = statsWatchOf(key, context.bus.stats);
    this.#card = new CardWatch(key, context, this);
    this.#items = new SessionItems(key, context, this);
  }

  get viewers(): number {
    return this.#viewers.size;
  }
  /** Tokens sent to viewers here that owe an ack for them. */
  get unacked(): number {
    return this.#generations.unacked;
  }
  /** How many get what is said to all, about: observers elsewhere are not known here. */
  get reach(): number {
    return Math.max(this.#viewers.size, this.#roster?.count ?? 0);
  }
  /** Since when nobody watches, ms; undefined while somebody does. */
  get idleSince(): number | undefined {
    return this.#idleSince;
  }

  /**
   * Attaches a viewer: sends `subscribed` with the items changed since what it knows (not to a viewer of one
   * generation), then everything due. `replaced` is the same connection's attachment until now: it ends
   * without being told as leaving.
   * @throws SluiceError session_deleted; BusUnavailableError; and the viewer is not attached
   */
  async attach(viewer: Viewer, known: Known, replaced?: Viewer): Promise<void> {
    this.#viewers.add(viewer);
    if (replaced !== undefined) this.#remove(replaced);
    this.#idleSince = undefined;
    try {
      await this.#begin(viewer, known);
    } catch (error) {
      this.detach(viewer);
      throw error;
    }
  }

  /** @param known undefined: whatever the viewer has is of a store that is no more */
  async #begin(viewer: Viewer, known: Known | undefined): Promise<void> {
    await Promise.all([(this.#opened ??= this.#open()), this.#card.open()]);
    const { store, bus } = this.#context;
    const items = this.#items;
    const collector: Collector = [];
    this.#collectors = [...this.#collectors, collector];
    try {
      const since = known !== undefined && (await store.holds(known)) ? known.rev : undefined;
      if (since === undefined) viewer.forget();
      const page = viewer.only === undefined ? await bus.sessions.items(this.key, since ?? 0) : undefined;
      const named = await this.#generations.named(viewer);
      if (!this.#viewers.has(viewer)) return;
      // The store was replaced meanwhile.
      if (items !== this.#items) return await this.#beginAnew(viewer);
      // Viewers that came before have not heard of it, if its live message is still to come.
      for (const state of named) items.take(state);
      this.#roster?.admit(viewer);
      if (page !== undefined) this.#sendList(viewer, { page, isReset: since === undefined }, collector);
      viewer.ready = true;
      this.#generations.serve(viewer, named);
      this.#watch?.attached(this.#context.clock.now());
    } finally {
      const others = this.#collectors.filter((each) => each !== collector);
      this.#collectors = others.length === 0 ? NO_COLLECTORS : others;
    }
  }

  #beginAnew(viewer: Viewer): Promise<void> {
    if (viewer.only !== undefined) throw new BusUnavailableError(STORE_REPLACED);
    return this.#begin(viewer, undefined);
  }

  detach(viewer: Viewer): void {
    if (!this.#remove(viewer)) return;
    this.#roster?.leave(viewer.ref);
    if (this.#viewers.size === 0) this.#idleSince = this.#context.clock.now();
  }

  #remove(viewer: Viewer): boolean {
    if (!this.#viewers.delete(viewer)) return false;
    this.#unsettled?.delete(viewer);
    this.#generations.detach(viewer);
    return true;
  }

  onAck(viewer: Viewer, generation: string, position: Position): void {
    this.#generations.get(generation)?.onAck(viewer, position);
  }

  /** Whether the viewer's acks count from now on. */
  govern(viewer: Viewer, governs: boolean): void {
    viewer.governs = governs && !viewer.observe;
    this.#generations.regard(viewer);
  }

  /** The viewer's socket has room again. */
  resume(viewer: Viewer): void {
    this.#generations.resume(viewer);
  }

  signal(viewer: Viewer, data: unknown): void {
    this.#roster?.signal(viewer.ref, data);
  }

  /** Called about once a second. */
  tick(now: number): void {
    this.#roster?.tick(now);
    if (this.#viewers.size > 0) this.#watch?.tick(now);
    if (this.#isOpen) this.#items.tick(now);
    if (this.#unsettled !== undefined) void this.#settle();
    this.#generations.tick(now);
  }

  /** Live messages may have been missed: reads what changed, now and until it can be read. */
  recheck(): void {
    this.#generations.recheck();
    this.#roster?.sync();
    if (this.#isOpen) this.#items.recheck();
  }

  /** What was told is of a store that is no more: everybody begins anew, with what this one has. */
  reset(): void {
    this.#generations.clear();
    this.#items.close();
    this.#items = new SessionItems(this.key, this.#context, this);
    this.#opened = undefined;
    this.#isOpen = false;
    for (const viewer of this.#viewers) {
      if (!viewer.ready) continue;
      viewer.ready = false;
      if (viewer.only === undefined) (this.#unsettled ??= new Set()).add(viewer);
      else this.#dismiss(viewer, { code: 'unavailable', message: STORE_REPLACED });
    }
    void this.#settle();
  }

  /** Nothing more comes; where that may pass its transport, or its client, comes again from the beginning. */
  #dismiss(viewer: Viewer, why: { readonly code: ErrorCode; readonly message: string }): void {
    this.detach(viewer);
    viewer.isDismissed = true;
    const { only: generation } = viewer;
    const about = { session: this.key.session, ...(generation === undefined ? {} : { generation }) };
    viewer.sink.send(encodeFrame({ type: 'error', ...why, retryable: isRetryable(why.code), ...about }));
  }

  /** Of its card: nothing more comes of this session. */
  deleted(): void {
    this.#generations.clear();
    for (const viewer of this.#viewers)
      this.#dismiss(viewer, { code: 'session_deleted', message: SESSION_DELETED });
  }

  /** Tells the viewers that were reset, now and until it can be read. */
  async #settle(): Promise<void> {
    if (this.#isSettling) return;
    this.#isSettling = true;
    const { turns, logger } = this.#context;
    try {
      for (const viewer of this.#unsettled ?? []) {
        await turns.run(() => this.#begin(viewer, undefined));
        this.#unsettled?.delete(viewer);
      }
      if (this.#unsettled?.size === 0) this.#unsettled = undefined;
    } catch (error) {
      // The next tick tries again.
      logger.warn('session_reset_failed', { session: this.key.session, error });
    } finally {
      this.#isSettling = false;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#tail?.close();
    this.#items.close();
    this.#generations.clear();
  }

  /** Subscribes first and lists then: whatever is stored in between is seen twice, never not at all. */
  async #open(): Promise<void> {
    const items = this.#items;
    try {
      await (this.#tailing ??= this.#listen());
      await items.list();
      this.#isOpen = items === this.#items;
    } catch (error) {
      if (items === this.#items) this.#opened = undefined;
      throw error;
    }
  }

  async #listen(): Promise<void> {
    const { bus, clock, edge } = this.#context;
    try {
      this.#tail = await bus.tokens.tail(this.key, this);
    } catch (error) {
      this.#tailing = undefined;
      throw error;
    }
    // Its last viewer left, and its time was over, while it was being opened.
    if (this.#isClosed) this.#tail.close();
    const deps = { presence: bus.presence, edge, listener: this.#viewers, now: clock.now() };
    this.#roster = new PresenceRoster(this.key, deps);
  }

  /** Of its card. */
  renamed(title: string | undefined): void {
    this.#viewers.renamed(title);
  }

  /** Also of its card, which asks when it looks before the first viewer attaches. */
  async hasItems(): Promise<boolean> {
    await this.#opened;
    return !this.#items.isEmpty;
  }

  /** Live, as are the four that follow. */
  record(id: GenerationId, record: TokenRecord): void {
    const generation = this.#generations.get(id);
    if (generation !== undefined) generation.onRecord(record);
    else if (this.#discovering?.has(id) !== true) void this.#discover(id);
  }

  /** A record of a generation whose item was not seen, or not yet. */
  async #discover(id: GenerationId): Promise<void> {
    (this.#discovering ??= new Set()).add(id);
    try {
      const stored = await this.#context.bus.sessions.item(this.key, id);
      if (stored !== undefined) this.#items.take(stored);
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      this.#context.logger.warn('item_read_failed', {
        ...generationIds({ ...this.key, generation: id }),
        error,
      });
    } finally {
      this.#discovering?.delete(id);
    }
  }

  item(stored: StoredItem): void {
    this.#items.live(stored);
  }

  erased(erased: ErasedItem): void {
    this.#items.erased(erased);
  }

  card(stored: StoredCard): void {
    this.#card.live(stored);
  }

  state(id: GenerationId, state: RunState): void {
    this.#generations.get(id)?.onState(state);
  }

  presence(message: PresenceMessage): void {
    this.#roster?.onMessage(message);
  }

  /** Of its items: a version that is newer than all that was told of it. */
  changed(stored: StoredItem): void {
    const { rev, item } = stored;
    this.#announce(stored);
    if (item.kind === 'generation') this.#generations.changed({ rev, item }, this.#viewers);
  }

  /** An item is no more. */
  gone(erased: ErasedItem): void {
    const { id, rev } = erased;
    for (const collector of this.#collectors) collector.push(erased);
    this.#generations.delete(id);
    for (const viewer of this.#viewers)
      if (viewer.only === id) this.#dismiss(viewer, { code: 'not_found', message: ITEM_DELETED });
    const frame = (): Frame => removedFrame(this.key.session, erased);
    this.#viewers.tell(frame, ({ listedRev }) => rev > listedRev);
  }

  /** Everything that was stored up to `rev` has been told. */
  listed(rev: number): void {
    this.#viewers.listed(rev);
  }

  /** Whatever else is told of the session is compared as well. */
  look(): Promise<void> {
    return this.#card.look();
  }

  #announce(stored: StoredItem): void {
    for (const collector of this.#collectors) collector.push(stored);
    const frame = (): Frame => itemFrame(this.key.session, stored);
    this.#viewers.tell(frame, ({ listedRev }) => stored.rev > listedRev);
  }

  /** The items as they were listed, then those that came while they were. */
  #sendList(viewer: Viewer, { page, isReset }: Listed, since: readonly (StoredItem | ErasedItem)[]): void {
    const { store } = this.#context;
    const { session } = this.key;
    const { title } = this.#card;
    viewer.sink.send(listFrame({ session, page, isReset, title, store: store.name, roster: this.#roster }));
    store.heard(page.rev);
    viewer.listedRev = page.rev;
    viewer.isListed = !page.more;
    for (const each of since)
      if (each.rev > page.rev)
        viewer.sink.send('item' in each ? itemFrame(session, each) : removedFrame(session, each));
  }
}
