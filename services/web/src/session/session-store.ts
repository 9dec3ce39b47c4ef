import { newId, RequestError } from '@sluice/client';
import type { Client, Generation, Item, PromptOptions, Session } from '@sluice/client';
import type { ChatMessage, GenerationItem, PromptParams } from '@sluice/protocol';
import { CatchUp } from '../link/catch-up.ts';
import type { LinkStatus } from '../link/link-status.ts';
import { FrameLoop } from './frame-loop.ts';
import { Roster } from './roster.ts';
import type { Person } from './roster.ts';
import { conversationBefore, inReadingOrder, isOpen } from './turns.ts';
import type { PendingPrompt } from './turns.ts';
import { isCut } from './whole-items.ts';
import type { ReadWhole } from './whole-items.ts';

export type SessionSnapshot = {
  readonly phase: 'loading' | 'ready' | 'refused';
  /** why the session cannot be shown, or not be brought up to date */
  readonly refusal: string | undefined;
  /** in reading order; an item is the same object for as long as nothing in it changed */
  readonly items: readonly Item[];
  readonly pending: readonly PendingPrompt[];
  readonly viewers: number;
  readonly people: readonly Person[];
  readonly typists: readonly string[];
  /** states that no item carries, such as `recovering` */
  readonly states: ReadonlyMap<string, string>;
};

const EMPTY: SessionSnapshot = {
  phase: 'loading',
  refusal: undefined,
  items: [],
  pending: [],
  viewers: 0,
  people: [],
  typists: [],
  states: new Map(),
};

type StoreOptions = {
  readonly client: Client;
  readonly session: string;
  readonly link: LinkStatus;
  readonly readWhole: ReadWhole;
  readonly maySignal: boolean;
};

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * One session as React reads it: a snapshot that changes at most once per animation frame, however many tokens
 * arrive. It follows the session for as long as it exists; `close` leaves it.
 */
export class SessionStore {
  readonly id: string;
  readonly session: Session;
  readonly roster: Roster;
  readonly #client: Client;
  readonly #link: LinkStatus;
  readonly #loop = new FrameLoop(() => this.#flush());
  readonly #catchUp = new CatchUp();
  readonly #listeners = new Set<() => void>();
  readonly #pending = new Map<string, PendingPrompt>();
  readonly #sent = new Map<string, PromptOptions>();
  readonly #states = new Map<string, string>();
  /** long answers that were asked for */
  readonly #asked = new Set<string>();
  readonly #readWhole: ReadWhole;
  readonly #maySignal: boolean;
  readonly #removals: (() => void)[];
  #phase: SessionSnapshot['phase'] = 'loading';
  #refusal: string | undefined;
  #snapshot = EMPTY;

  constructor({ client, session, link, readWhole, maySignal }: StoreOptions) {
    this.#readWhole = readWhole;
    this.#maySignal = maySignal;
    this.id = session;
    this.#client = client;
    this.#link = link;
    this.session = client.session(session);
    this.roster = new Roster(
      this.session,
      () => client.ready,
      () => this.#loop.request(),
    );
    this.#removals = this.#listen();
    this.#subscribe();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly snapshot = (): SessionSnapshot => this.#snapshot;

  /** Tells the others that somebody types here, where this person may. */
  typing(): void {
    if (this.#maySignal) this.roster.typing();
  }

  /** Asks the model; the question shows at once. */
  ask(prompt: PromptOptions & { readonly generation: string }, shown = prompt.input ?? ''): void {
    const { generation } = prompt;
    this.#sent.set(generation, prompt);
    this.#pending.set(generation, {
      id: generation,
      input: shown,
      createdAt: Date.now(),
      refusal: undefined,
    });
    this.#follow(this.session.prompt(prompt));
    this.#loop.request();
  }

  /** Sends a refused prompt again, under the same id: it can never run twice. */
  retry(id: string): void {
    const prompt = this.#sent.get(id);
    const shown = this.#pending.get(id)?.input;
    if (prompt !== undefined) this.ask({ ...prompt, generation: id }, shown);
  }

  discard(id: string): void {
    this.#pending.delete(id);
    this.#sent.delete(id);
    this.#loop.request();
  }

  /** Asks the same question again, with the conversation as it was before. */
  regenerate(id: string, extra: PromptParams = {}): void {
    const item = this.session.items.get(id);
    if (item?.kind !== 'generation') return;
    const params = { ...extra, seed: crypto.getRandomValues(new Uint16Array(1))[0] ?? 0 };
    this.#conversationBefore(item).then(
      (messages) => this.ask({ generation: newId(), messages, model: item.model, params }, item.input),
      (error: unknown) => {
        this.#refusal = wordsOf(error);
        this.#loop.request();
      },
    );
  }

  /** Asks for an answer that is too large for the list; it comes as any other. */
  load(id: string): void {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    this.session.generation(id);
  }

  /** Whole, or the model would be asked something else. */
  async #conversationBefore(item: GenerationItem): Promise<readonly ChatMessage[]> {
    const items = inReadingOrder(this.session.items.values());
    const before = items.slice(0, items.findIndex(({ id }) => id === item.id) + 1);
    const whole = await Promise.all(
      before.map(async (each) => (isCut(each) ? this.#readWhole(this.id, each.id) : each)),
    );
    const target = whole.at(-1);
    return target?.kind === 'generation' ? conversationBefore(whole, target) : [];
  }

  /** Stops the engine, for everybody. @throws RequestError when that is not allowed */
  async stop(id: string): Promise<void> {
    await this.session.generation(id).cancel();
  }

  /** A line for the people in the session; the model is not asked. */
  async note(text: string): Promise<void> {
    await this.session.message(text);
  }

  close(): void {
    for (const remove of this.#removals) remove();
    this.roster.close();
    this.#loop.close();
    this.session.close().catch(() => {
      // Nobody is left to be told.
    });
  }

  #listen(): (() => void)[] {
    const { session } = this;
    const changed = (): void => this.#loop.request();
    return [
      session.on('item', ({ id }) => {
        this.#pending.delete(id);
        changed();
      }),
      session.on('delta', ({ generation, from, seq }) => {
        const caughtUp = this.#catchUp.arrived({ generation, tokens: seq - from, now: performance.now() });
        if (caughtUp !== undefined) this.#link.caughtUp(caughtUp);
        changed();
      }),
      session.on('error', (error) => {
        this.#refusal = wordsOf(error);
        changed();
      }),
      session.on('reset', changed),
      session.on('end', changed),
      session.on('state', ({ generation, state }) => {
        this.#states.set(generation, state);
        changed();
      }),
      this.#client.on('status', ({ type }) => {
        if (type !== 'live' || this.#phase !== 'ready') return;
        this.#refusal = undefined;
        this.#catchUp.begin(this.#openGenerations(), performance.now());
      }),
    ];
  }

  #subscribe(): void {
    const askedAt = performance.now();
    this.session.subscribe().then(
      () => {
        this.#phase = 'ready';
        this.#catchUp.begin(this.#openGenerations(), askedAt);
        this.#loop.request();
      },
      (error: unknown) => {
        this.#phase = 'refused';
        this.#refusal = wordsOf(error);
        this.#loop.request();
      },
    );
  }

  #openGenerations(): readonly string[] {
    return [...this.session.items.values()].filter(isOpen).map(({ id }) => id);
  }

  #follow(generation: Generation): void {
    const { id } = generation;
    generation.accepted.then(
      () => this.#sent.delete(id),
      (error: unknown) => {
        const pending = this.#pending.get(id);
        if (pending === undefined) return;
        const hint = error instanceof RequestError && error.retryable ? ' Try again in a moment.' : '';
        this.#pending.set(id, { ...pending, refusal: wordsOf(error) + hint });
        this.#loop.request();
      },
    );
  }

  #flush(): void {
    this.#snapshot = {
      phase: this.#phase,
      refusal: this.#refusal,
      items: inReadingOrder(this.session.items.values()),
      pending: [...this.#pending.values()],
      viewers: this.session.viewers,
      people: this.roster.people,
      typists: this.roster.typists,
      states: new Map(this.#states),
    };
    for (const listener of this.#listeners) listener();
  }
}
