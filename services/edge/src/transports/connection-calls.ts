import type { Relay, Subscription } from '@sluice/bus';
import type { Caller } from '../auth/grant.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { edgeOf } from './connection-id.ts';
import type { HttpConnections } from './http-connections.ts';
import { PollDownlink } from './poll-downlink.ts';

/** What is asked of a connection over HTTP. `after`: frames that came before, up or down. */
export type ConnectionCall = { readonly connection: string; readonly caller: Caller } & (
  | { readonly type: 'frames'; readonly after: number }
  | { readonly type: 'poll'; readonly after: number; readonly waitMs: number }
  | { readonly type: 'leave' }
);

/** `gone`: there is no such connection, or none of this caller. `gap`: it does not go on at `after`. */
export type CallAnswer = { readonly outcome: 'ok' | 'gone' | 'gap'; readonly body: string };

/** Another edge answers within this, or is not reachable, ms. */
const RELAY_TIMEOUT_MS = 2_000;
/** Another edge is asked anew this often while a poll waits, so that its death is noticed, ms. */
const RELAY_WAIT_MS = 4_000;

const GONE: CallAnswer = { outcome: 'gone', body: '' };
const GAP: CallAnswer = { outcome: 'gap', body: '' };

/**
 * Brings what is asked of a connection to the edge that has it: balancers need not know which. Over the relay
 * a message is one line of JSON, then the frames as they are.
 */
export class ConnectionCalls {
  readonly #edge: string;
  readonly #relay: Relay;
  readonly #connections: HttpConnections;
  #serving: Subscription | undefined;

  constructor({ edge, bus }: EdgeContext, connections: HttpConnections) {
    this.#edge = edge;
    this.#relay = bus.relay;
    this.#connections = connections;
  }

  /** Resolves once other edges reach this one. @throws BusUnavailableError */
  async open(): Promise<void> {
    this.#serving = await this.#relay.serve(this.#edge, async (question) => {
      const [head, body] = split(question);
      const answer = await this.#answer(JSON.parse(head) as ConnectionCall, body);
      return `${answer.outcome}\n${answer.body}`;
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
    const answer = await this.#relay.ask(edge, `${JSON.stringify(call)}\n${body}`, timeoutMs);
    if (answer === undefined) return GONE;
    const [outcome, frames] = split(answer);
    return { outcome: outcome as CallAnswer['outcome'], body: frames };
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

const split = (message: string): readonly [string, string] => {
  const end = message.indexOf('\n');
  return [message.slice(0, end), message.slice(end + 1)];
};
