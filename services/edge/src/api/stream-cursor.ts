import { SluiceError } from '@sluice/protocol';
import type { Item, Position, ServerFrame } from '@sluice/protocol';
import { idSchema, storeNameSchema } from '@sluice/protocol/schema';
import { z } from 'zod';

/** Proxies cut header lines at 8 KiB, and a cursor comes back in one. */
export const MAX_CURSOR_CHARS = 6 * 1024;

/** What was told of a generation besides tokens. */
const TOLD = { end: 1, done: 2 } as const;

/**
 * Where a client is in a generation. It is forgotten once both its `end` and its item as done were told:
 * a resume before that has to name it, or it would be told the text again, or never the end (R7).
 */
type Place = Position & { readonly told: number };
type SessionPlace = {
  rev: number;
  store: string | undefined;
  isCut: boolean;
  readonly generations: Map<string, Place>;
};

const count = z.int().min(0);
/** `[session, rev, [generation, epoch, seq, told][], store][]`: as short as it gets, since it comes with every event. */
const cursorSchema = z.array(
  z.tuple([
    idSchema,
    count,
    z.array(z.tuple([idSchema, count, count, z.int().min(0).max(2)])),
    storeNameSchema.optional(),
  ]),
);

/** Where a client of a stream of sessions is; as text it is opaque to the client. */
export class StreamCursor {
  readonly #sessions: Map<string, SessionPlace>;

  /**
   * @param sessions those of the stream; what the text says of others is ignored
   * @param text of {@link toString}; empty: the beginning
   * @throws SluiceError bad_frame
   */
  constructor(sessions: readonly string[], text = '') {
    const beginning = (): SessionPlace => ({
      rev: 0,
      store: undefined,
      isCut: false,
      generations: new Map(),
    });
    this.#sessions = new Map(sessions.map((session) => [session, beginning()]));
    for (const [session, rev, generations, store] of text === '' ? [] : decode(text)) {
      const place = this.#sessions.get(session);
      if (place === undefined) continue;
      Object.assign(place, { rev, store });
      for (const [id, epoch, seq, told] of generations) place.generations.set(id, { epoch, seq, told });
    }
  }

  /** What to attach to a session with. */
  of(session: string): Pick<SessionPlace, 'rev' | 'store'> & { positions: ReadonlyMap<string, Position> } {
    const { rev = 0, store, generations = new Map<string, Place>() } = this.#sessions.get(session) ?? {};
    return { rev, store, positions: new Map(generations) };
  }

  /** Nothing more comes of this session. */
  drop(session: string): void {
    this.#sessions.delete(session);
  }

  get isEmpty(): boolean {
    return this.#sessions.size === 0;
  }

  /** Whether the last list of a session's items was not all of it. */
  isCut(session: string): boolean {
    return this.#sessions.get(session)?.isCut === true;
  }

  /** Moves with a frame that is being sent. @returns whether the frame leads anywhere */
  apply(frame: ServerFrame): boolean {
    const place = 'session' in frame ? this.#sessions.get(frame.session ?? '') : undefined;
    if (place === undefined) return false;
    switch (frame.type) {
      case 'subscribed':
        Object.assign(place, { rev: frame.rev, store: frame.store, isCut: frame.more === true });
        if (frame.reset === true) place.generations.clear();
        for (const item of frame.items) if (place.generations.has(item.id)) tellItem(place, item);
        return true;
      case 'item':
        // Not where the client is: what was stored before may still be to come.
        tellItem(place, frame.item);
        return true;
      case 'listed':
        place.rev = Math.max(place.rev, frame.rev);
        return true;
      case 'delta':
        move(place, frame.generation, frame);
        return true;
      case 'reset':
        move(place, frame.generation, { epoch: frame.epoch, seq: 0 });
        return true;
      case 'end':
        move(place, frame.generation, frame);
        tell(place, frame.generation, TOLD.end);
        return true;
      default:
        return false;
    }
  }

  toString(): string {
    const sessions = [...this.#sessions].map(([session, { rev, store, generations }]) => {
      const places = [...generations].map(([id, { epoch, seq, told }]) => [id, epoch, seq, told]);
      return [session, rev, places, ...(store === undefined ? [] : [store])];
    });
    return Buffer.from(JSON.stringify(sessions)).toString('base64url');
  }
}

const decode = (text: string): z.infer<typeof cursorSchema> => {
  try {
    if (text.length > MAX_CURSOR_CHARS) throw new RangeError('too long');
    return cursorSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch (cause) {
    throw new SluiceError('bad_frame', '`Last-Event-ID`, `after`: expected an id of this stream', { cause });
  }
};

const move = ({ generations }: SessionPlace, id: string, { epoch, seq }: Position): void => {
  generations.set(id, { epoch, seq, told: generations.get(id)?.told ?? 0 });
};

const tellItem = (place: SessionPlace, item: Item): void => {
  if (item.kind !== 'generation' || item.status !== 'done') return;
  // One that ended before its first token: its `end` is still to come.
  if (!place.generations.has(item.id)) move(place, item.id, { epoch: item.epoch, seq: 0 });
  tell(place, item.id, TOLD.done);
};

const tell = ({ generations }: SessionPlace, id: string, what: number): void => {
  const place = generations.get(id);
  if (place === undefined) return;
  const told = place.told | what;
  if (told === (TOLD.end | TOLD.done)) generations.delete(id);
  else generations.set(id, { ...place, told });
};
