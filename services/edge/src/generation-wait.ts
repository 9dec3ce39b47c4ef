import { randomUUID } from 'node:crypto';
import { toItem } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { GenerationItem, GenerationKey, Item, Position } from '@sluice/protocol';
import type { Clock, Timer } from '@sluice/runtime';
import type { Grant } from './auth/grant.ts';
import type { EdgeContext } from './edge-context.ts';
import type { Frame } from './frames.ts';
import { takePlace } from './open-connections.ts';
import { Viewer } from './viewer.ts';
import type { FrameSink } from './viewer.ts';

/** A worker ends the log first and the item a moment later: how often the item is looked at then, ms. */
const SETTLING_MS = 50;

/** The generation as it is now. @throws SluiceError not_found; BusUnavailableError */
export const readGeneration = async (key: GenerationKey, { sessions }: Bus): Promise<GenerationItem> => {
  const stored = await sessions.item(key, key.generation);
  const item = stored && toItem(stored);
  if (item?.kind !== 'generation') throw new SluiceError('not_found', 'no such generation');
  return item;
};

/** So long, ms; a worker may have died between the two. */
const MAX_SETTLING_MS = 2_000;

/**
 * The generation as a client knows it: who was told the end finds it done, and not running for a moment more.
 * @throws SluiceError not_found; BusUnavailableError
 */
export const readSettled = async (
  key: GenerationKey,
  { bus, clock }: Pick<EdgeContext, 'bus' | 'clock'>,
): Promise<GenerationItem> => {
  for (const until = clock.now() + MAX_SETTLING_MS; ;) {
    const item = await readGeneration(key, bus);
    if (item.status === 'done' || clock.now() >= until) return item;
    if ((await bus.tokens.head(key))?.record.end === undefined) return item;
    await new Promise<void>((resolve) => clock.setTimeout(resolve, SETTLING_MS));
  }
};

export type WaitOptions = {
  readonly grant: Grant;
  /** when to stop waiting: the time is up, or the client has gone */
  readonly until: AbortSignal;
};

/**
 * Waits until a generation is done, as one of its viewers, so that it runs on while somebody waits.
 * Resolves to its item with the whole text; as it is then when `until` or the edge's end comes first.
 * @throws SluiceError not_found, unavailable, rate_limited; BusUnavailableError
 */
export const waitForGeneration = async (
  key: GenerationKey,
  { grant, until }: WaitOptions,
  context: EdgeContext,
): Promise<GenerationItem> => {
  const { bus, hub, leaving, clock } = context;
  const found = await readGeneration(key, bus);
  if (found.status === 'done') return found;
  const leave = takePlace(context, grant, 'wait');
  const watch = new EndWatch(AbortSignal.any([until, leaving]), clock);
  const { org, session, generation: only } = key;
  const ref = { user: grant.user, connection: randomUUID() };
  const positions = new Map([[only, { epoch: found.epoch, seq: found.seq }]]);
  const viewer = new Viewer({
    ...{ key: { org, session }, ref, sink: watch, only, positions },
    ...{ window: context.limits.defaultWindow, observe: false },
  });
  const feed = hub.feed(viewer.key);
  watch.onDelta = (position) => feed.ack(viewer, only, position);
  try {
    await feed.attach(viewer, 0);
    for (;;) {
      const item = await readGeneration(key, bus);
      if (item.status === 'done' || watch.isOver) return item;
      await watch.news();
    }
  } finally {
    feed.detach(viewer);
    leave();
  }
};

/** A sink that reads along, and tells when it is worth looking at the item again. */
class EndWatch implements FrameSink {
  readonly writable = true;
  onDelta: (position: Position) => void = () => {};
  readonly #until: AbortSignal;
  readonly #clock: Clock;
  #hasEnded = false;
  #isNews = false;
  #wake: (() => void) | undefined;

  constructor(until: AbortSignal, clock: Clock) {
    this.#until = until;
    this.#clock = clock;
    until.addEventListener('abort', () => this.#tell(), { once: true });
  }

  get isOver(): boolean {
    return this.#until.aborted;
  }

  send({ content }: Frame): void {
    // Not at once: the viewer's reader learns only after this call what was sent.
    if (content.type === 'delta') queueMicrotask(() => this.onDelta(content));
    if (content.type === 'end') this.#hasEnded = true;
    if (content.type === 'end' || (content.type === 'item' && isDone(content.item))) this.#tell();
  }

  /** Resolves when the item may be done, or the time is up. */
  async news(): Promise<void> {
    let timer: Timer;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#hasEnded) timer = this.#clock.setTimeout(resolve, SETTLING_MS);
      if (this.#isNews || this.isOver) resolve();
    });
    this.#clock.clearTimeout(timer);
    this.#isNews = false;
  }

  #tell(): void {
    this.#isNews = true;
    this.#wake?.();
  }
}

const isDone = (item: Item): boolean => item.kind === 'generation' && item.status === 'done';
