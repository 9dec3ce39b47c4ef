import type { Frame } from './frames.ts';
import { encodeFrame } from './frames.ts';
import type { RosterChange } from './presence-roster.ts';
import type { Viewer } from './viewer.ts';

/** The viewers of a session on this edge, as whoever is told what is not about a single generation. */
export class Audience extends Set<Viewer> {
  readonly #session: string;

  constructor(session: string) {
    super();
    this.#session = session;
  }

  /** Tells viewers that know where they are. The frame is made once, and only where somebody gets it. */
  tell(makeFrame: () => Frame, isFor: (viewer: Viewer) => boolean = () => true): void {
    let frame: Frame | undefined;
    for (const viewer of this) if (viewer.ready && isFor(viewer)) viewer.sink.send((frame ??= makeFrame()));
  }

  /** Whose own list is cut may not go on from here: it would never get the rest. */
  listed(rev: number): void {
    const frame = (): Frame => encodeFrame({ type: 'listed', session: this.#session, rev });
    this.tell(frame, ({ isListed, listedRev }) => isListed && rev > listedRev);
  }

  renamed(title: string | undefined): void {
    const named = title === undefined ? {} : { title };
    this.tell(() => encodeFrame({ type: 'title', session: this.#session, ...named }));
  }

  moved(change: RosterChange): void {
    const self = change.joined?.connection ?? change.left?.connection;
    const frame = (): Frame => encodeFrame({ type: 'presence', session: this.#session, ...change });
    this.tell(frame, ({ ref }) => ref.connection !== self);
  }

  signalled(user: string, connection: string, data: unknown): void {
    const frame = (): Frame => encodeFrame({ type: 'signal', session: this.#session, user, data });
    this.tell(frame, ({ ref }) => ref.connection !== connection);
  }
}
