import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@sluice/client';
import type { Client, Generation } from '@sluice/client';
import type { Bus } from '@sluice/bus';
import { sha256, waitFor } from '@sluice/testkit';
import { keyOf, storedText, tokenFor } from '../support/clients.ts';

export type AudienceOptions = {
  /** the proxies: viewers and prompts take turns */
  readonly urls: readonly string[];
  readonly sessions: number;
  /** of each session */
  readonly viewers: number;
  /** of each answer */
  readonly tokens: number;
};

/** A try that was not answered with 2xx. */
export type Refusal = { readonly during: string; readonly what: string };

/** Retryable by the protocol (6): a client asks again, with the same body. */
const RETRYABLE: readonly number[] = [429, 503];
const GIVE_UP_MS = 30_000;
const PAUSE_MS = 100;

/** What a viewer was shown of one answer. */
type Shown = { readonly session: string; readonly generation: string; readonly text: string };

/** In every session somebody prompts over HTTP, again and again, and all others watch by WebSocket. */
export class Audience {
  /** what happens now, for the list of refusals */
  during = 'quiet';
  /** what a proxy answered or did, before any retry */
  readonly refusals: Refusal[] = [];
  /** requests that retries did not save */
  readonly failures: Refusal[] = [];
  requests = 0;
  readonly shown: Shown[] = [];
  readonly #options: AudienceOptions;
  readonly #rooms: readonly { readonly session: string; readonly clients: readonly Client[] }[];
  readonly #waiting = new Map<string, Generation>();
  #rounds: Promise<void>[] = [];
  #isStopping = false;

  constructor(options: AudienceOptions) {
    this.#options = options;
    this.#rooms = Array.from({ length: options.sessions }, (_, n) => ({
      session: `s-${n}`,
      clients: Array.from({ length: options.viewers }, (_each, i) =>
        connect({
          url: this.#urlOf(n + i),
          token: tokenFor(`u-${n}-${i}`),
          transports: ['websocket'],
          backoff: { baseMs: 50, capMs: 500 },
        }),
      ),
    }));
  }

  /** Answers that somebody has seen the end of. */
  get answers(): number {
    return this.shown.length / this.#options.viewers;
  }

  /** A line for each viewer that still waits for the end of an answer. */
  get waiting(): string[] {
    return [...this.#waiting].map(([who, { text }]) => `${who} has ${text.length} characters`);
  }

  begin(): void {
    this.#rounds = this.#rooms.map(async ({ session, clients }, n) => {
      for (let round = 0; !this.#isStopping; round += 1) await this.#round(session, clients, n + round);
    });
    for (const url of this.#options.urls) this.#rounds.push(this.#poll(url));
  }

  /** Lets what runs come to its end. @throws when a viewer does not see it */
  async finish(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#rounds);
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#rooms.flatMap(({ clients }) => clients.map((client) => client.close())));
  }

  /** Everything shown that is not the stored text, or that the engine did not write so. */
  async differences(bus: Bus): Promise<string[]> {
    const stored = new Map<string, string>();
    const wrong: string[] = [];
    for (const { session, generation, text } of this.shown) {
      const key = `${session}/${generation}`;
      const hash = stored.get(key) ?? sha256(await storedText(bus, keyOf(session, generation)));
      stored.set(key, hash);
      if (hash !== sha256(text)) wrong.push(`${key}: a viewer was shown another text than the stored one`);
      if (text !== this.#written(key)) wrong.push(`${key}: the text is not what the engine writes`);
    }
    return wrong;
  }

  #urlOf(n: number): string {
    const { urls } = this.#options;
    return urls[n % urls.length] as string;
  }

  #written(key: string): string {
    return Array.from({ length: this.#options.tokens }, (_, n) => `⟦${key}.${n + 1}⟧`).join('');
  }

  async #round(session: string, clients: readonly Client[], n: number): Promise<void> {
    const generation = `g-${n}`;
    const handles = clients.map((client) => client.session(session).generation(generation));
    const simulated = { tokens: this.#options.tokens, watermark: `${session}/${generation}` };
    const body = JSON.stringify({ input: 'go', params: { simulated } });
    const path = `/v1/sessions/${session}/generations/${generation}`;
    // Nobody would see the end of what was not begun; the failure is told at the end.
    if (!(await this.#request(`${this.#urlOf(n)}${path}`, { method: 'PUT', body }))) {
      for (const handle of handles) handle.detach();
      return;
    }
    await Promise.all(handles.map((handle, viewer) => this.#see(handle, { session, viewer })));
  }

  /** Watches one answer to its end. */
  async #see(handle: Generation, { session, viewer }: { session: string; viewer: number }): Promise<void> {
    const { id: generation } = handle;
    const waiting = `${session}/${generation}: viewer ${viewer}`;
    this.#waiting.set(waiting, handle);
    await handle.end;
    this.#waiting.delete(waiting);
    this.shown.push({ session, generation, text: handle.text });
    handle.detach();
  }

  /** Somebody who asks all the time. */
  async #poll(url: string): Promise<void> {
    while (!this.#isStopping) {
      await this.#request(`${url}/v1/models`);
      await pause(PAUSE_MS);
    }
  }

  /** @returns whether it was answered with 2xx in the end */
  async #request(url: string, init: RequestInit = {}): Promise<boolean> {
    this.requests += 1;
    const from = performance.now();
    for (;;) {
      const what = await outcomeOf(url, init);
      if (what === undefined) return true;
      const refusal = { during: this.during, what: `${init.method ?? 'GET'} ${url}: ${what.says}` };
      this.refusals.push(refusal);
      if (!what.retryable || performance.now() - from > GIVE_UP_MS) {
        this.failures.push(refusal);
        return false;
      }
      await pause(what.afterMs);
    }
  }
}

type Outcome = { readonly says: string; readonly retryable: boolean; readonly afterMs: number };

/** @returns undefined when the answer is 2xx */
const outcomeOf = async (url: string, init: RequestInit): Promise<Outcome | undefined> => {
  const headers = { authorization: `Bearer ${tokenFor('author')}`, 'content-type': 'application/json' };
  try {
    const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(GIVE_UP_MS) });
    const text = await response.text();
    if (response.ok) return undefined;
    const afterMs = Number(response.headers.get('retry-after') ?? 1) * 1_000;
    const says = `${response.status} ${text.slice(0, 200).replaceAll(/\s+/g, ' ')}`;
    return { says, retryable: RETRYABLE.includes(response.status), afterMs };
  } catch (error) {
    // A PUT names its generation: sent again, it is the same one.
    return {
      says: `no answer: ${String((error as Error).cause ?? error)}`,
      retryable: true,
      afterMs: PAUSE_MS,
    };
  }
};

/** Resolves when so many answers more have been seen to their end. */
export const answered = async (audience: Audience, more: number): Promise<void> => {
  const wanted = audience.answers + more;
  await waitFor(() => audience.answers >= wanted, { what: `${more} more answers`, timeoutMs: 60_000 });
};
