import { CLOSE_CODES } from '@sluice/protocol';
import type { ReadyFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import { ABNORMAL, closeTransport } from './transport.ts';
import type { Endpoint, Transport, TransportKind, TransportListener } from './transport.ts';

/** A transport that is not `ready` by then is held up by something in between, ms. */
const READY_TIMEOUT_MS = 4_000;
/** A transport that has worked before is left after so many failures in a row. */
const PATIENCE = 2;

/** One way to connect. What it takes is loaded when it is first needed. */
export type Candidate = {
  readonly kind: TransportKind;
  readonly open: (endpoint: Endpoint) => Transport | Promise<Transport>;
};

/** What becomes of an attempt. */
export interface DialListener extends Pick<TransportListener, 'broken' | 'closed'> {
  /** This transport works, and the attempt is over. Its new owner calls `handOver` before it returns, or misses frames. */
  ready(transport: Transport, frame: ReadyFrame): void;
}

/** An attempt to connect that is under way. */
export interface Dialing {
  /** Gives up; the listener hears nothing more. Resolves when nothing is open any more. */
  close(code: number, reason: string): Promise<void>;
}

export type Dial = (endpoint: Endpoint, listener: DialListener) => Dialing;

/**
 * The transports of a client, best first, and which of them worked last. An attempt begins with that one and
 * falls back to the next when there is no answer at all, or that nothing is there: a close code of the server is one, whatever it says.
 * When the last one fails too, nobody is there, and the next attempt begins with the first.
 */
export class Dialer {
  readonly #clock: Clock;
  readonly #candidates: readonly Candidate[];
  #first = 0;
  /** an address that worked is right */
  #hasWorked = false;
  /** failures in a row of each candidate; one that never worked has no more patience to lose */
  readonly #failures: number[];

  constructor(candidates: readonly Candidate[], clock: Clock) {
    this.#candidates = candidates;
    this.#clock = clock;
    this.#failures = candidates.map(() => PATIENCE);
  }

  readonly dial: Dial = (endpoint, listener) =>
    this.#attempt(endpoint, listener, this.#first, (index) => this.#failed(index));

  /** Tries the best one alone; undefined when there is no other. */
  get dialBest(): Dial | undefined {
    if (this.#candidates.length === 1) return undefined;
    return (endpoint, listener) => this.#attempt(endpoint, listener, 0, () => undefined);
  }

  /** @returns the candidate to fall back to; undefined when this attempt is over */
  #failed(index: number): number | undefined {
    const failures = (this.#failures[index] ?? 0) + 1;
    this.#failures[index] = failures;
    if (failures < PATIENCE) return undefined;
    if (index + 1 < this.#candidates.length) return index + 1;
    this.#first = 0;
    return undefined;
  }

  /** One candidate, and after it the one that `next` names, until one is ready. */
  #attempt(
    endpoint: Endpoint,
    listener: DialListener,
    index: number,
    next: (failed: number) => number | undefined,
  ): Dialing {
    const clock = this.#clock;
    let isOver = false;
    let tried: Transport | undefined;
    let fallback: Dialing | undefined;
    let cancelTimer = (): void => undefined;
    const end = (code: number, reason: string): void => {
      if (isOver) return;
      isOver = true;
      tried = undefined;
      cancelTimer();
      const isNowhere = code === CLOSE_CODES.notFound;
      const other = code === ABNORMAL || isNowhere ? next(index) : undefined;
      if (other === undefined) listener.closed(isNowhere && this.#hasWorked ? ABNORMAL : code, reason);
      else fallback = this.#attempt(endpoint, listener, other, next);
    };
    const close = async (code: number, reason: string): Promise<void> => {
      const transport = tried;
      isOver = true;
      tried = undefined;
      cancelTimer();
      if (transport !== undefined) await closeTransport(transport, clock, code, reason);
      await fallback?.close(code, reason);
    };
    const run = async (): Promise<void> => {
      try {
        const transport = await this.#candidates[index]?.open(endpoint);
        if (isOver || transport === undefined) return;
        tried = transport;
        // Nothing is gained by hurrying the last candidate.
        if (index + 1 < this.#candidates.length)
          cancelTimer = clock.after(READY_TIMEOUT_MS, () => {
            void closeTransport(transport, clock, CLOSE_CODES.heartbeatMissed, 'no answer in time');
            end(ABNORMAL, 'no answer in time');
          });
        transport.open({
          ...listener,
          frame: (frame) => {
            if (frame.type !== 'ready') return;
            isOver = true;
            cancelTimer();
            this.#first = index;
            this.#hasWorked = true;
            this.#failures[index] = 0;
            listener.ready(transport, frame);
          },
          closed: end,
        });
      } catch (cause) {
        end(ABNORMAL, `cannot load: ${(cause as Error).message}`);
      }
    };
    void run();
    return { close };
  }
}
