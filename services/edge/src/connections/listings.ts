import type { ClientSocket } from './client-socket.ts';

/** A list of items is up to a page in memory, and then in the socket: more at once would get the client cut off. */
const MAX_LISTINGS = 2;

/** When one client's sessions are listed: a few at a time, and none while it does not read. */
export class Listings {
  readonly #socket: Pick<ClientSocket, 'writable'>;
  #underWay = 0;
  #waiting: (() => void)[] | undefined;
  #isOver = false;

  constructor(socket: Pick<ClientSocket, 'writable'>) {
    this.#socket = socket;
  }

  /** Lists in its turn; never once the client has gone. @throws what `list` throws */
  async run(list: () => Promise<void>): Promise<void> {
    while (!this.#isOver && (this.#underWay >= MAX_LISTINGS || !this.#socket.writable))
      await new Promise<void>((resolve) => (this.#waiting ??= []).push(resolve));
    if (this.#isOver) return;
    this.#underWay += 1;
    try {
      await list();
    } finally {
      this.#underWay -= 1;
      this.resume();
    }
  }

  /** The socket may have room again. */
  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const look of waiting) look();
  }

  close(): void {
    this.#isOver = true;
    this.resume();
  }
}
