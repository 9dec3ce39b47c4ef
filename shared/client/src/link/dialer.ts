import { CLOSE_CODES } from '@sluice/protocol';
import type { ReadyFrame, ServerFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { ProtocolError } from '../errors.ts';
import { ABNORMAL, closeTransport } from './transport.ts';
import type { Endpoint, Transport, TransportKind } from './transport.ts';

/** A transport that is not `ready` by then is held up by something in between, ms. */
export const READY_TIMEOUT_MS = 4_000;
/** A transport that has worked before is left after so many failures in a row. */
const PATIENCE = 2;

/** One way to connect. What it takes is loaded when it is first needed. */
export type Candidate = {
  readonly kind: TransportKind;
  readonly open: (endpoint: Endpoint) => Transport | Promise<Transport>;
};

/** What becomes of an attempt. */
export interface DialListener {
  /** This transport works, and the attempt is over. Its new owner calls `handOver` before it returns, or misses frames. */
  ready(transport: Transport, frame: ReadyFrame): void;
  /** The peer sent something that cannot be a frame of the protocol; the attempt is to be closed. */
  broken(error: ProtocolError): void;
  /** Nothing answered (1006), or the server closed with a code; the attempt is over. */
  failed(code: number, reason: string): void;
}

/** An attempt to connect that is under way. */
export interface Dialing {
  /** Gives up; the listener hears nothing more. Resolves when nothing is open any more. */
  close(code: number, reason: string): Promise<void>;
}

export type Dial = (endpoint: Endpoint, listener: DialListener) => Dialing;

/**
 * The transports of a client, best first, and which of them worked last. An attempt begins with that one and
 * falls back to the next when there is no answer at all: a close code of the server is one, whatever it says.
 * When the last one fails too, nobody is there, and the next attempt begins with the first.
 */
export class Dialer {
  readonly clock: Clock;
  readonly candidates: readonly Candidate[];
  #first = 0;
  /** failures in a row of each candidate; one that never worked has no more patience to lose */
  readonly #failures: number[];

  constructor(candidates: readonly Candidate[], clock: Clock) {
    this.candidates = candidates;
    this.clock = clock;
    this.#failures = candidates.map(() => PATIENCE);
  }

  readonly dial: Dial = (endpoint, listener) =>
    new Attempt({ dialer: this, endpoint, listener, fallsBack: true }, this.#first);

  /** Tries the best one alone; undefined when there is no other. */
  get dialBest(): Dial | undefined {
    if (this.candidates.length === 1) return undefined;
    return (endpoint, listener) => new Attempt({ dialer: this, endpoint, listener, fallsBack: false }, 0);
  }

  succeeded(index: number): void {
    this.#first = index;
    this.#failures[index] = 0;
  }

  /** @returns the candidate to fall back to; undefined when this attempt is over */
  failed(index: number): number | undefined {
    const failures = (this.#failures[index] ?? 0) + 1;
    this.#failures[index] = failures;
    if (failures < PATIENCE) return undefined;
    if (index + 1 < this.candidates.length) return index + 1;
    this.#first = 0;
    return undefined;
  }
}

type AttemptOptions = {
  readonly dialer: Dialer;
  readonly endpoint: Endpoint;
  readonly listener: DialListener;
  readonly fallsBack: boolean;
};

/** One attempt to connect: a candidate after the other until one of them is ready. */
class Attempt implements Dialing {
  readonly #options: AttemptOptions;
  #index: number;
  #isOver = false;
  #transport: Transport | undefined;
  #cancelTimer: () => void = () => undefined;

  constructor(options: AttemptOptions, index: number) {
    this.#options = options;
    this.#index = index;
    void this.#try();
  }

  async close(code: number, reason: string): Promise<void> {
    const transport = this.#finish();
    if (transport !== undefined)
      await closeTransport(transport, this.#options.dialer.clock, { code, reason });
  }

  async #try(): Promise<void> {
    const { dialer, endpoint, listener } = this.#options;
    try {
      const transport = await dialer.candidates[this.#index]?.open(endpoint);
      if (transport !== undefined && !this.#isOver) this.#open(transport);
    } catch (cause) {
      if (this.#isOver) return;
      this.#finish();
      listener.failed(ABNORMAL, `cannot load: ${(cause as Error).message}`);
    }
  }

  #open(transport: Transport): void {
    const { listener } = this.#options;
    this.#transport = transport;
    this.#armTimer(transport);
    transport.open({
      frame: (frame) => this.#receive(transport, frame),
      broken: (error) => listener.broken(error),
      closed: (code, reason) => {
        this.#release();
        if (code === ABNORMAL) return this.#fallBack(reason);
        this.#finish();
        listener.failed(code, reason);
      },
    });
  }

  #receive(transport: Transport, frame: ServerFrame): void {
    const { dialer, listener } = this.#options;
    if (frame.type !== 'ready') return;
    dialer.succeeded(this.#index);
    this.#finish();
    listener.ready(transport, frame);
  }

  /** Nothing is gained by hurrying the last candidate. */
  #armTimer(transport: Transport): void {
    const { clock, candidates } = this.#options.dialer;
    if (this.#index + 1 === candidates.length) return;
    this.#cancelTimer = clock.after(READY_TIMEOUT_MS, () => {
      const [code, reason] = [CLOSE_CODES.heartbeatMissed, 'no answer in time'];
      this.#release();
      void closeTransport(transport, clock, { code, reason });
      this.#fallBack(reason);
    });
  }

  #fallBack(reason: string): void {
    const { dialer, listener, fallsBack } = this.#options;
    const next = fallsBack ? dialer.failed(this.#index) : undefined;
    if (next === undefined) {
      this.#finish();
      return listener.failed(ABNORMAL, reason);
    }
    this.#index = next;
    void this.#try();
  }

  /** @returns the transport that was tried, if it may be open still */
  #finish(): Transport | undefined {
    this.#isOver = true;
    return this.#release();
  }

  #release(): Transport | undefined {
    const transport = this.#transport;
    this.#transport = undefined;
    this.#cancelTimer();
    return transport;
  }
}
