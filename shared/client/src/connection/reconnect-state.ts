/**
 * When to connect, wait and give up: a pure state machine. Time and chance are arguments; the connection
 * carries out the actions and reports what happened as events.
 */
import { CLOSE_CODES, mayReconnect } from '@sluice/protocol';

export type Backoff = {
  /** ceiling of the first delay, ms; default 250 */
  readonly baseMs: number;
  /** ceiling of every delay, ms; default 10 000 */
  readonly capMs: number;
  /** a connection that lived this long starts the count of attempts anew, ms; default 5 000 */
  readonly stableMs: number;
  /** until a lesser transport is tried to be replaced, ms; doubles to 20 times as long; default 30 000 */
  readonly upgradeMs: number;
};

export const DEFAULT_BACKOFF: Backoff = {
  baseMs: 250,
  capMs: 10_000,
  stableMs: 5_000,
  upgradeMs: 30_000,
};

/** From opening the socket until `ready`, ms. */
const OPEN_TIMEOUT_MS = 15_000;
/** Answer to a probe after the page became visible or the network changed, ms. */
const PROBE_TIMEOUT_MS = 2_000;
/** Close code towards the server when it broke the protocol: "reconnect". */
const VIOLATION_CLOSE = 4000;

type Memory = {
  /** attempts to connect since the last stable connection */
  readonly attempt: number;
  /** the credential was fetched anew since the last stable connection */
  readonly refreshed: boolean;
  readonly online: boolean;
  /** why the last connection was lost; undefined before the first loss */
  readonly reason?: string;
  /** when the machine wants a `due` event, if it does */
  readonly until?: number | undefined;
};

export type ReconnectState =
  | (Memory & { readonly type: 'idle' })
  /** `until` is set when the socket is being opened: fetching a credential may take a person's time */
  | (Memory & { readonly type: 'connecting' })
  /** `goawayUntil`: the server will close; not to be back before this */
  | (Memory & { readonly type: 'live'; readonly since: number; readonly goawayUntil?: number | undefined })
  /** `patient`: the server named the delay or is overloaded, so nothing shortens it */
  | (Memory & { readonly type: 'waiting'; readonly until: number; readonly patient: boolean })
  /** `until`: the browser's word may be wrong, so a try is made at the slowest pace all the same */
  | (Memory & { readonly type: 'offline'; readonly until: number })
  /** the page is in the back/forward cache */
  | (Memory & { readonly type: 'suspended' })
  | (Memory & { readonly type: 'closed'; readonly code: number });

export type ReconnectEvent =
  /** `moved`: a better transport took over while live */
  | { readonly type: 'start' | 'opening' | 'ready' | 'moved' | 'due' }
  | { readonly type: 'online' | 'offline' | 'visible' | 'pagehide' | 'pageshow' }
  | { readonly type: 'goaway'; readonly reconnectMs: number }
  /** the transport closed by itself or by the server */
  | { readonly type: 'lost'; readonly code: number; readonly reason: string }
  | { readonly type: 'violated'; readonly reason: string }
  /** the application closes */
  | { readonly type: 'close'; readonly code: number; readonly reason: string };

export type ReconnectAction =
  | { readonly type: 'open'; readonly freshToken: boolean }
  /** close the transport and hear no more of it */
  | { readonly type: 'drop'; readonly code: number; readonly reason: string }
  | { readonly type: 'probe'; readonly deadlineMs: number };

export type ReconnectContext = {
  readonly now: number;
  /** uniform in [0, 1) */
  readonly random: number;
  readonly backoff: Backoff;
  /** whether a rejected credential can be replaced: the token is a function */
  readonly refreshable: boolean;
};

export type ReconnectStep = {
  readonly state: ReconnectState;
  readonly actions: readonly ReconnectAction[];
};

export const INITIAL_RECONNECT_STATE: ReconnectState = {
  type: 'idle',
  attempt: 0,
  refreshed: false,
  online: true,
};

const stay = (state: ReconnectState, ...actions: readonly ReconnectAction[]): ReconnectStep => ({
  state,
  actions,
});

const open = (state: ReconnectState, freshToken: boolean): ReconnectStep =>
  stay({ ...state, type: 'connecting', until: undefined }, { type: 'open', freshToken });

const live = (state: ReconnectState, { now }: ReconnectContext): ReconnectStep =>
  stay({ ...state, type: 'live', since: now, goawayUntil: undefined, until: undefined });

const giveUp = (state: ReconnectState, code: number, reason: string): ReconnectStep =>
  stay({ ...state, reason, type: 'closed', code, until: undefined });

const hasLink = (state: ReconnectState): boolean => state.type === 'connecting' || state.type === 'live';

const dropping = (state: ReconnectState, code: number, reason: string): readonly ReconnectAction[] =>
  hasLink(state) ? [{ type: 'drop', code, reason }] : [];

/** Full jitter: anything between nothing and the ceiling, so that a crowd spreads evenly. */
const jittered = (attempt: number, { random, backoff }: ReconnectContext): number =>
  random * Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(attempt, 30));

/** "Try later" means it: at least half of a ceiling that starts three doublings up. */
const overloaded = (attempt: number, { random, backoff }: ReconnectContext): number =>
  (0.5 + random / 2) * Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(attempt + 3, 30));

/** What is remembered when a connection is over; a stable one clears the count. */
const remembering = (state: ReconnectState, reason: string, context: ReconnectContext): ReconnectState => {
  const stable = state.type === 'live' && context.now - state.since >= context.backoff.stableMs;
  return stable ? { ...state, attempt: 0, refreshed: false, reason } : { ...state, reason };
};

const wait = (
  state: ReconnectState,
  ms: number,
  patient: boolean,
  context: ReconnectContext,
): ReconnectStep => {
  const next: ReconnectState = { ...state, attempt: state.attempt + 1 };
  if (!state.online) return stay({ ...next, type: 'offline', until: context.now + context.backoff.capMs });
  return stay({ ...next, type: 'waiting', until: context.now + ms, patient });
};

const afterLoss = (
  state: ReconnectState,
  code: number,
  reason: string,
  context: ReconnectContext,
): ReconnectStep => {
  const memory = remembering(state, reason === '' ? `closed with ${code}` : reason, context);
  if (code === CLOSE_CODES.credential && context.refreshable && !memory.refreshed)
    return open({ ...memory, refreshed: true }, true);
  if (!mayReconnect(code)) return giveUp(memory, code, reason);
  // The server spread its clients over the delay; having waited on the old link is having waited.
  if (state.type === 'live' && state.goawayUntil !== undefined)
    return wait(memory, Math.max(0, state.goawayUntil - context.now), true, context);
  if (code === CLOSE_CODES.tryLater) return wait(memory, overloaded(memory.attempt, context), true, context);
  return wait(memory, jittered(memory.attempt, context), false, context);
};

/** Never final: the server may be mended, and the next frames may make sense. */
const afterViolation = (state: ReconnectState, reason: string, context: ReconnectContext): ReconnectStep => {
  const memory = remembering(state, reason, context);
  const next = wait(memory, jittered(memory.attempt, context), false, context);
  return { state: next.state, actions: dropping(state, VIOLATION_CLOSE, 'protocol violation') };
};

const afterDue = (state: ReconnectState, context: ReconnectContext): ReconnectStep => {
  if (state.until === undefined || context.now < state.until) return stay(state);
  if (state.type !== 'connecting') return open(state, false);
  const next = afterLoss(state, CLOSE_CODES.heartbeatMissed, 'no answer in time', context);
  return { state: next.state, actions: dropping(state, CLOSE_CODES.heartbeatMissed, 'no answer in time') };
};

/** The network or the page came back: do not sit out a long delay, do not trust an old link. */
const nudge = (state: ReconnectState): ReconnectStep => {
  if (state.type === 'live') return stay(state, { type: 'probe', deadlineMs: PROBE_TIMEOUT_MS });
  if (state.type === 'waiting' && !state.patient) return open(state, false);
  return stay(state);
};

const afterPageEvent = (
  state: ReconnectState,
  type: 'online' | 'offline' | 'visible' | 'pagehide' | 'pageshow',
  context: ReconnectContext,
): ReconnectStep => {
  switch (type) {
    case 'visible':
      return nudge(state);
    case 'online':
      return state.type === 'offline'
        ? open({ ...state, online: true }, false)
        : nudge({ ...state, online: true });
    case 'offline': {
      const offline = { ...state, online: false };
      if (offline.type === 'waiting')
        return stay({ ...offline, type: 'offline', until: context.now + context.backoff.capMs });
      // A live link may well have survived: ask it instead of dropping it.
      return nudge(offline);
    }
    case 'pagehide':
      if (state.type === 'idle') return stay(state);
      return {
        state: { ...state, reason: 'page suspended', type: 'suspended', until: undefined },
        actions: dropping(state, CLOSE_CODES.normal, 'page suspended'),
      };
    case 'pageshow':
      return state.type === 'suspended' ? open(state, false) : nudge(state);
  }
};

/** The machine. Nothing leads out of `closed`. */
export const stepReconnect = (
  state: ReconnectState,
  event: ReconnectEvent,
  context: ReconnectContext,
): ReconnectStep => {
  if (state.type === 'closed') return stay(state);
  switch (event.type) {
    case 'start':
      return state.type === 'idle' ? open(state, false) : stay(state);
    case 'opening':
      return state.type === 'connecting'
        ? stay({ ...state, until: context.now + OPEN_TIMEOUT_MS })
        : stay(state);
    case 'ready':
      return state.type === 'connecting' ? live(state, context) : stay(state);
    case 'moved':
      return state.type === 'live' ? live(state, context) : stay(state);
    case 'goaway':
      return state.type === 'live'
        ? stay({ ...state, goawayUntil: context.now + event.reconnectMs })
        : stay(state);
    case 'lost':
      return hasLink(state) ? afterLoss(state, event.code, event.reason, context) : stay(state);
    case 'violated':
      return hasLink(state) ? afterViolation(state, event.reason, context) : stay(state);
    case 'due':
      return afterDue(state, context);
    case 'close': {
      const { state: next } = giveUp(state, event.code, event.reason);
      return { state: next, actions: dropping(state, event.code, event.reason) };
    }
    default:
      return afterPageEvent(state, event.type, context);
  }
};
