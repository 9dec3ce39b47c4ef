import { CLOSE_CODES } from '@sluice/protocol';
import type { ClientFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import { ABNORMAL } from './transport.ts';
import type { OpenTransport, Target, Transport, TransportKind, TransportListener } from './transport.ts';

/** A transport that is not `ready` by then is held up by something in between, ms. */
export const RUNG_TIMEOUT_MS = 4_000;
/** A transport that has worked before is left after so many failures in a row. */
const PATIENCE = 2;

/** One way to connect. What it takes is loaded when it is first needed. */
export type Rung = {
  readonly kind: TransportKind;
  readonly open: (target: Target) => Transport | Promise<Transport>;
};

/**
 * The transports of a client, best first, and which of them worked last. An attempt begins with that one and
 * goes down when there is no answer at all: a close code of the server is one, whatever it says. When the last
 * rung fails too, nobody is there, and the next attempt begins at the top.
 */
export class Ladder {
  readonly clock: Clock;
  readonly rungs: readonly Rung[];
  #start = 0;
  /** failures in a row of each rung; a rung that never worked has no more patience to lose */
  readonly #failures: number[];

  constructor(rungs: readonly Rung[], clock: Clock) {
    this.rungs = rungs;
    this.clock = clock;
    this.#failures = rungs.map(() => PATIENCE);
  }

  readonly open: OpenTransport = (target) => new Descent(this, target, this.#start);

  /** Tries the best one alone; undefined when there is no other. */
  get openBest(): OpenTransport | undefined {
    return this.rungs.length > 1 ? (target) => new Descent(this, target, 0, true) : undefined;
  }

  reached(index: number): void {
    this.#start = index;
    this.#failures[index] = 0;
  }

  /** @returns the rung to go on with; undefined when this attempt is over */
  failed(index: number): number | undefined {
    const failures = (this.#failures[index] ?? 0) + 1;
    this.#failures[index] = failures;
    if (failures < PATIENCE) return undefined;
    if (index + 1 < this.rungs.length) return index + 1;
    this.#start = 0;
    return undefined;
  }
}

/** One attempt to connect: a transport that is another one on each rung until one of them is ready. */
class Descent implements Transport {
  readonly #ladder: Ladder;
  readonly #target: Target;
  readonly #isProbe: boolean;
  #index: number;
  #listener: TransportListener | undefined;
  #transport: Transport | undefined;
  #isClosing = false;

  constructor(ladder: Ladder, target: Target, index: number, isProbe = false) {
    this.#ladder = ladder;
    this.#target = target;
    this.#index = index;
    this.#isProbe = isProbe;
  }

  get kind(): TransportKind {
    return (this.#ladder.rungs[this.#index] as Rung).kind;
  }

  open(listener: TransportListener): void {
    this.#listener = listener;
    void this.#try();
  }

  send(frame: ClientFrame): void {
    this.#transport?.send(frame);
  }

  close(code: number, reason: string): void {
    this.#isClosing = true;
    if (this.#transport === undefined) this.#end(code, reason);
    else this.#transport.close(code, reason);
  }

  async #try(): Promise<void> {
    const index = this.#index;
    try {
      const transport = await (this.#ladder.rungs[index] as Rung).open(this.#target);
      if (this.#listener !== undefined) this.#run(transport, this.#listener);
    } catch (cause) {
      this.#end(ABNORMAL, `cannot load: ${(cause as Error).message}`);
    }
  }

  #run(transport: Transport, listener: TransportListener): void {
    this.#transport = transport;
    let isReady = false;
    const cancel = this.#afterTimeout(() => {
      this.#transport = undefined;
      transport.close(CLOSE_CODES.heartbeatMissed, 'no answer in time');
      this.#failed('no answer in time');
    });
    transport.open({
      frame: (frame) => {
        if (this.#transport !== transport) return;
        if (!isReady && frame.type === 'ready') {
          isReady = true;
          cancel();
          this.#ladder.reached(this.#index);
        }
        listener.frame(frame);
      },
      broken: (error) => {
        if (this.#transport === transport) listener.broken(error);
      },
      closed: (code, reason) => {
        cancel();
        if (this.#transport !== transport) return;
        this.#transport = undefined;
        if (isReady || this.#isClosing || code !== ABNORMAL) this.#end(code, reason);
        else this.#failed(reason);
      },
    });
  }

  /** On the last rung nothing is gained by hurrying. */
  #afterTimeout(task: () => void): () => void {
    const { rungs, clock } = this.#ladder;
    return this.#index + 1 < rungs.length ? clock.after(RUNG_TIMEOUT_MS, task) : () => undefined;
  }

  #failed(reason: string): void {
    const next = this.#isProbe ? undefined : this.#ladder.failed(this.#index);
    if (next === undefined || this.#listener === undefined) return this.#end(ABNORMAL, reason);
    this.#index = next;
    void this.#try();
  }

  #end(code: number, reason: string): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.closed(code, reason);
  }
}
