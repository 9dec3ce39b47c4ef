import { fnv1a } from './hash.ts';

/** A live worker, as placing sees it. */
export type Seat = {
  readonly worker: string;
  /** generations it runs at once, at least 1 */
  readonly slots: number;
  /** generations that run there or are on their way */
  readonly load: number;
};

/** A worker gets at most this many times its share of all load. */
const BALANCE = 1.25;
/** Up to this share of its slots a worker takes its sessions whatever the others do: nobody waits there. */
const EASY = 0.5;

/**
 * The worker that is likely to hold the session's KV cache: rendezvous hashing, so that all who know the
 * same workers choose the same one, and a worker that comes or goes moves only its own share of the
 * sessions. Loads are bounded: a worker at its bound passes sessions on to the next in their order.
 * @param session org and session, as one text
 * @returns undefined when no worker has a free slot
 */
export const placeSession = (session: string, seats: readonly Seat[]): string | undefined => {
  const slots = sumOf(seats, (seat) => seat.slots);
  const load = sumOf(seats, (seat) => seat.load);
  const open = seats.filter((seat) => seat.load < boundOf(seat, ((load + 1) * BALANCE) / slots));
  return highest(open, (seat) => scoreOf(session, seat))?.worker;
};

/** Most generations a worker is given. @param fair load per slot at which a worker is at its bound */
const boundOf = ({ slots }: Seat, fair: number): number =>
  Math.min(slots, Math.max(slots * EASY, Math.ceil(slots * fair)));

/**
 * Whose share something is, of those who divide work among themselves: rendezvous hashing, as above.
 * @returns undefined where there is nobody
 */
export const sharerOf = (what: string, names: readonly string[]): string | undefined =>
  highest(
    names.map((worker) => ({ worker, slots: 1, load: 0 })),
    (seat) => scoreOf(what, seat),
  )?.worker;

/** Weighted rendezvous: a worker wins in proportion to its slots, and its score depends on no other's. */
const scoreOf = (session: string, { worker, slots }: Seat): number => {
  const uniform = (mixed(fnv1a(`${worker} ${session}`)) + 0.5) / 2 ** 32;
  return -slots / Math.log(uniform);
};

/** FNV's last characters move few bits; this spreads them over all (the finaliser of murmur3). */
const mixed = (value: number): number => {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

const sumOf = (seats: readonly Seat[], value: (seat: Seat) => number): number =>
  seats.reduce((sum, seat) => sum + value(seat), 0);

/** Of equals the one whose name comes first: the order of the list must not matter. */
const highest = (seats: readonly Seat[], score: (seat: Seat) => number): Seat | undefined => {
  const scored = seats.map((seat) => ({ seat, score: score(seat) }));
  scored.sort((a, b) => b.score - a.score || (a.seat.worker < b.seat.worker ? -1 : 1));
  return scored[0]?.seat;
};
