import { SluiceError } from '@sluice/protocol';
import type { FastifyReply } from 'fastify';
import type { Grant } from '../auth/grant.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { takePlace } from '../connections/open-connections.ts';
import { EventStream } from './event-stream.ts';
import type { StreamEnd } from './event-stream.ts';
import type { EventView } from './event-view.ts';
import { AWAY_MS, LAST_CLOSE_TIMEOUT_MS } from './transport.ts';
import type { Transport } from './transport.ts';
import { readUnacked } from './unacked.ts';

/** Streams live between this share of their greatest age and all of it, so that they do not end together. */
const LEAST_AGE = 0.8;
/** How often the kernel is asked what clients have acknowledged. */
const CHECKS_PER_HEARTBEAT = 2;

export type ServeOptions = {
  readonly grant: Grant;
  readonly view: EventView;
  /** written before anything else; default nothing */
  readonly opening?: string;
  /** `first`: the response begins with its first event, or by status when there is a failure before. Default `watch` */
  readonly beginsWith?: 'watch' | 'first';
  /** `client`: the client comes back by itself, so the stream may be ended now and then; `never`: it may not */
  readonly resumed: 'client' | 'never';
};

/** The server-sent events of an edge: streams are opened by routes, and end with the edge. */
export class EventStreams implements Transport {
  readonly #context: EdgeContext;
  readonly #maxAgeMs: number;
  readonly #streams = new Set<EventStream>();
  #checkAt = 0;
  #accepting = true;

  constructor(context: EdgeContext, { maxStreamAgeMs }: { readonly maxStreamAgeMs: number }) {
    this.#context = context;
    this.#maxAgeMs = maxStreamAgeMs;
  }

  /**
   * Answers a request with a stream, on which `begin` watches what it is about. Resolves when it is over.
   * @throws what `begin` throws before anything was sent, and SluiceError unavailable, rate_limited
   */
  async serve(
    reply: FastifyReply,
    { resumed, ...options }: ServeOptions,
    begin: (stream: EventStream) => Promise<void>,
  ): Promise<StreamEnd> {
    const { clock } = this.#context;
    if (!this.#accepting && resumed === 'never')
      throw new SluiceError('unavailable', 'the server restarts', { retryAfterMs: AWAY_MS });
    // What was asked is stored by now.
    this.#context.bodyRoom.leave(reply.raw);
    const leave = await takePlace(this.#context, options.grant, 'sse');
    const ageMs = this.#maxAgeMs * (LEAST_AGE + (1 - LEAST_AGE) * Math.random());
    const endsAt = resumed === 'client' ? clock.now() + ageMs : Infinity;
    const stream = new EventStream(reply, { ...options, endsAt }, this.#context);
    this.#streams.add(stream);
    try {
      // An error status would make an EventSource give up for good.
      if (this.#accepting) await begin(stream);
      else stream.goaway(AWAY_MS);
      return await stream.closed;
    } catch (error) {
      if (!stream.isStarted) throw error;
      stream.fail(error);
      return await stream.closed;
    } finally {
      this.#streams.delete(stream);
      stream.leave();
      leave();
    }
  }

  tick(now: number): void {
    for (const stream of this.#streams) stream.tick(now);
    if (this.#streams.size > 0 && now >= this.#checkAt) void this.#checkClients();
  }

  /** Cuts the streams whose clients acknowledge nothing any more: a write alone would not show it for minutes. */
  async #checkClients(): Promise<void> {
    const { clock, heartbeatMs } = this.#context;
    this.#checkAt = Infinity;
    const checks = [...this.#streams].map((stream) => stream.checkClient());
    const unacked = await readUnacked();
    this.#checkAt = clock.now() + heartbeatMs / CHECKS_PER_HEARTBEAT;
    if (unacked !== undefined) for (const check of checks) check(unacked, clock.now());
  }

  async drain(spreadMs: number): Promise<void> {
    this.#accepting = false;
    const ending = [...this.#streams].map(async (stream) => {
      const timer = setTimeout(() => stream.goaway(0), Math.random() * spreadMs);
      await stream.closed;
      clearTimeout(timer);
    });
    const deadline = setTimeout(() => this.#destroy(), spreadMs + LAST_CLOSE_TIMEOUT_MS);
    await Promise.all(ending);
    clearTimeout(deadline);
  }

  async close(): Promise<void> {
    this.#accepting = false;
    for (const stream of this.#streams) stream.goaway(Math.random() * AWAY_MS);
    const deadline = setTimeout(() => this.#destroy(), LAST_CLOSE_TIMEOUT_MS);
    await Promise.all([...this.#streams].map(({ closed }) => closed));
    clearTimeout(deadline);
  }

  #destroy(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}
