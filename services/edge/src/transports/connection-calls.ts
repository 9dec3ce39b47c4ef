import { BusUnavailableError } from '@sluice/bus';
import type { Border, Relay, Subscription } from '@sluice/bus';
import type { EdgeContext } from '../connections/edge-context.ts';
import { encodeAnswer, encodeCall, parseAnswer, parseCall, RELAY_WAIT_MS } from './connection-call.ts';
import type { CallAnswer, ConnectionCall } from './connection-call.ts';
import { edgeOf } from './connection-id.ts';
import type { HttpConnections } from './http-connections.ts';
import { PollDownlink } from './poll-downlink.ts';

/** Another edge answers within this, or is not reachable, ms. */
const RELAY_TIMEOUT_MS = 2_000;
const GONE: CallAnswer = { outcome: 'gone', body: '' };
const GAP: CallAnswer = { outcome: 'gap', body: '' };

/** Brings what is asked of a connection to the edge that has it: balancers need not know which. */
export class ConnectionCalls {
  readonly #edge: string;
  readonly #relay: Relay;
  readonly #border: Border;
  readonly #connections: HttpConnections;
  #serving: Subscription | undefined;

  constructor({ edge, bus }: EdgeContext, connections: HttpConnections) {
    this.#edge = edge;
    this.#relay = bus.relay;
    this.#border = bus.border;
    this.#connections = connections;
  }

  /** Resolves once other edges reach this one. @throws BusUnavailableError */
  async open(): Promise<void> {
    this.#serving = await this.#relay.serve(this.#edge, async (question) => {
      const asked = this.#border.read('relay', question, parseCall);
      return asked && encodeAnswer(await this.#answer(asked.call, asked.body));
    });
  }

  close(): void {
    this.#serving?.close();
  }

  /** @param hangUp ends the waiting of a poll @throws BusUnavailableError when the edge that has it is cut off */
  async call(call: ConnectionCall, body = '', hangUp?: AbortSignal): Promise<CallAnswer> {
    const edge = edgeOf(call.connection);
    if (edge === undefined) return GONE;
    if (edge === this.#edge) return this.#answer(call, body, hangUp);
    if (call.type !== 'poll') return this.#ask(edge, call, body, RELAY_TIMEOUT_MS);
    for (let left = call.waitMs; ; left -= RELAY_WAIT_MS) {
      const waitMs = Math.min(left, RELAY_WAIT_MS);
      const answer = await this.#ask(edge, { ...call, waitMs }, '', waitMs + RELAY_TIMEOUT_MS);
      const isEmpty = answer.outcome === 'ok' && answer.body === '';
      if (!isEmpty || left <= RELAY_WAIT_MS || hangUp?.aborted === true) return answer;
    }
  }

  async #ask(edge: string, call: ConnectionCall, body: string, timeoutMs: number): Promise<CallAnswer> {
    const text = await this.#relay.ask(edge, encodeCall({ call, body }), timeoutMs);
    if (text === undefined) return GONE;
    const answer = this.#border.read('relay', text, parseAnswer);
    if (answer === undefined) throw new BusUnavailableError('relay: expected an answer, got something else');
    return answer;
  }

  async #answer(call: ConnectionCall, body: string, hangUp?: AbortSignal): Promise<CallAnswer> {
    const connection = this.#connections.find(call.connection, call.caller);
    if (connection === undefined) return GONE;
    switch (call.type) {
      case 'frames':
        return connection.receive(call.after, body) ? { outcome: 'ok', body: '' } : GAP;
      case 'leave':
        connection.leave();
        return { outcome: 'ok', body: '' };
      case 'poll': {
        const { down } = connection;
        if (!(down instanceof PollDownlink)) return GAP;
        const frames = await down.take(call.after, call.waitMs, hangUp);
        return frames === undefined ? GAP : { outcome: 'ok', body: frames };
      }
    }
  }
}
