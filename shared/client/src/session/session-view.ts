import type { GenerationItem, Item, Position } from '@sluice/protocol';
import { Emitter } from '../emitter.ts';
import { ItemList } from './item-list.ts';
import type { PresenceEvent, SessionEvents } from './session-events.ts';
import { RequestError } from '../errors.ts';
import { Track } from '../generation/track.ts';

/** What a session looks like from here: its items and the tracks of its generations. Outlives connections. */
export class SessionView {
  readonly events = new Emitter<SessionEvents>();
  readonly tracks = new Map<string, Track>();
  readonly items = new ItemList(this.tracks);
  viewers = 0;
  #window: number | undefined;
  #hasForgotten = false;
  /** generations whose item says done: the server sends nothing of them unless it is asked */
  readonly #settled = new Set<string>();

  /** A new attachment begins, and every item is here. @param window undefined when it needs no acks */
  attached(window: number | undefined): void {
    this.#setWindow(window);
    if (!this.#hasForgotten) return;
    this.#hasForgotten = false;
    for (const [id, track] of this.tracks)
      if (this.items.get(id) === undefined) track.fail(new RequestError(LOST));
  }

  detached(): void {
    this.#setWindow(undefined);
  }

  /**
   * The server has another store: what is held is not what that has, and what it does not name again is gone. Every
   * text restarts, which is told; what has ended is a generation of its own to whoever holds it.
   */
  forget(): void {
    this.items.clear();
    this.#hasForgotten = true;
    for (const [generation, track] of this.tracks) {
      const reset = { generation, epoch: 0, reason: LOST.message };
      if (track.end === undefined) track.restart(reset);
      else {
        this.tracks.delete(generation);
        this.events.emit('reset', reset);
      }
    }
    this.events.emit('error', new RequestError(LOST));
  }

  /** The track of a generation, made when it is first heard of. */
  track(id: string): Track {
    const known = this.tracks.get(id);
    if (known !== undefined) return known;
    const track = new Track(id, this);
    this.tracks.set(id, track);
    track.attached(this.#window);
    const item = this.items.get(id);
    if (item?.kind === 'generation' && isWhole(item)) track.complete(item);
    return track;
  }

  /** A prompt that was refused leaves nothing behind. */
  forgetUnknown(track: Track): void {
    const isEmpty = track.end === undefined && track.content.position.seq === 0;
    if (isEmpty && this.items.get(track.id) === undefined) this.tracks.delete(track.id);
  }

  /**
   * Where each generation stands that is not over. One that has ended is named until its item says so
   * too: to the server it is still open, and without a position it would come whole once more.
   */
  positions(): Readonly<Record<string, Position>> {
    const positions: Record<string, Position> = {};
    for (const [id, track] of this.tracks)
      if (track.end === undefined || !this.#settled.has(id)) positions[id] = track.content.position;
    return positions;
  }

  /**
   * @param source `subscribed` items are whole; those of `item` frames come without text, unless it is the full
   * text of a generation whose tokens are gone (R3)
   * @throws ProtocolError when a full text contradicts what was received
   */
  put(item: Item, source: 'subscribed' | 'item'): void {
    if (!this.items.put(item)) return;
    if (item.kind === 'generation') {
      if (item.status === 'done') this.#settled.add(item.id);
      const isFull = isWhole(item) && (source === 'subscribed' || item.text !== undefined);
      if (isFull) this.tracks.get(item.id)?.complete(item);
      // Nobody is sent a long text unless somebody here follows it.
      else (item.bodies?.answer ? this.tracks.get(item.id) : this.track(item.id))?.announce(item);
    }
    this.events.emit('item', this.items.get(item.id) ?? item);
  }

  /** Somebody deleted the item. */
  remove(id: string): void {
    this.items.delete(id);
    this.tracks.get(id)?.fail(new RequestError(REMOVED));
    this.tracks.delete(id);
    this.events.emit('removed', { item: id });
  }

  watched(presence: PresenceEvent): void {
    this.viewers = presence.viewers;
    this.events.emit('presence', presence);
  }

  /** Whoever follows a generation that has not ended is told that nothing more comes. */
  fail(error: Error): void {
    for (const track of this.tracks.values()) track.fail(error);
  }

  #setWindow(window: number | undefined): void {
    this.#window = window;
    for (const track of this.tracks.values()) track.attached(window);
  }
}

/** Done, with all of its text; one that is too large for a list comes as deltas, once somebody asks. */
const isWhole = ({ status, bodies }: GenerationItem): boolean => status === 'done' && !bodies?.answer;

const REMOVED = { code: 'not_found', message: 'this item was deleted', retryable: false } as const;
const LOST = { code: 'not_found', message: 'the store was replaced', retryable: false } as const;
