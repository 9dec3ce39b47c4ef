import { randomUUID } from 'node:crypto';
import { toItem } from '@sluice/bus';
import type { Bus, StoredItem } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { GenerationItem, GenerationKey } from '@sluice/protocol';
import { mayGovern } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { EndWatch, SETTLING_MS } from './end-watch.ts';
import { takePlace } from '../connections/open-connections.ts';
import { NOTHING_KNOWN } from '../feeds/store-watch.ts';
import { LOST_TEXT } from '../feeds/generation-log.ts';
import { Viewer } from '../feeds/viewer.ts';

/** The generation as lists show it: long texts are apart. @throws SluiceError not_found; BusUnavailableError */
export const readGeneration = async (key: GenerationKey, { sessions }: Bus): Promise<GenerationItem> => {
  return toGeneration(await sessions.item(key, key.generation));
};

/** What a client may see of it. @throws SluiceError not_found where it is none */
export const toGeneration = (stored: StoredItem | undefined): GenerationItem => {
  const item = stored && toItem(stored);
  if (item?.kind !== 'generation') throw new SluiceError('not_found', 'no such generation');
  return item;
};

/** The same with all that was said. @throws SluiceError not_found; BusUnavailableError */
export const readWhole = async (key: GenerationKey, bus: Bus): Promise<GenerationItem> =>
  withTexts(key, await readGeneration(key, bus), bus);

/** @throws SluiceError not_found, also where a text is lost; BusUnavailableError */
const withTexts = async (
  key: GenerationKey,
  item: GenerationItem,
  { sessions }: Bus,
): Promise<GenerationItem> => {
  if (item.bodies === undefined) return item;
  const whole = await sessions.whole(key, item);
  if (whole?.kind !== 'generation') throw new SluiceError('not_found', LOST_TEXT);
  return { ...whole, rev: item.rev };
};

/** A worker may have died between ending the log and the item: how long the item is looked at, ms. */
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
    const isOver = item.status === 'done' || clock.now() >= until;
    if (isOver || (await bus.tokens.head(key))?.record.end === undefined) return withTexts(key, item, bus);
    await new Promise<void>((resolve) => clock.setTimeout(resolve, SETTLING_MS));
  }
};

/** @throws SluiceError when it came to count no more while it waited */
const checkGrant = ({ standing }: Grant, { session }: GenerationKey): void => {
  if (standing.isRevoked()) throw new SluiceError('unauthorized', 'the token was revoked');
  if (standing.closes(session)) throw new SluiceError('not_found', 'no such session');
};

export type WaitOptions = {
  readonly grant: Grant;
  /** aborted when the client has gone */
  readonly gone: AbortSignal;
  /** longest wait, ms; default as long as it takes */
  readonly mostMs?: number;
};

/**
 * Waits until a generation is done, as one of its viewers, so that it runs on while somebody waits.
 * Resolves to its item with the whole text; as it is then when the wait or the edge ends first.
 * @throws SluiceError not_found, unauthorized, unavailable, rate_limited; BusUnavailableError
 */
export const waitForGeneration = async (
  key: GenerationKey,
  { grant, gone, mostMs }: WaitOptions,
  context: EdgeContext,
): Promise<GenerationItem> => {
  const { bus, hub, leaving, clock } = context;
  const found = await readGeneration(key, bus);
  if (found.status === 'done') return withTexts(key, found, bus);
  const leave = await takePlace(context, grant, 'wait');
  const isRefused = (): boolean => grant.standing.isRevoked() || grant.standing.closes(key.session);
  const watch = new EndWatch({ clock, until: [gone, leaving], mostMs, isRefused });
  const { org, session, generation: only } = key;
  const ref = { user: grant.user, connection: randomUUID() };
  const positions = new Map([[only, { epoch: found.epoch, seq: found.seq }]]);
  const viewer = new Viewer({
    ...{ key: { org, session }, ref, sink: watch, ackedBy: 'sink', only, positions },
    ...{ window: context.limits.defaultWindow, observe: false, governs: mayGovern(grant) },
  });
  const feed = hub.feed(viewer.key);
  try {
    await feed.attach(viewer, NOTHING_KNOWN);
    for (;;) {
      const item = await readGeneration(key, bus);
      checkGrant(grant, key);
      if (item.status === 'done' || watch.isOver) return await withTexts(key, item, bus);
      await watch.news();
    }
  } finally {
    watch.close();
    feed.detach(viewer);
    leave();
  }
};
