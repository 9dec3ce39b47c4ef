/**
 * When to subscribe to a session and when to leave it: a pure state machine. The subscription carries out the
 * actions and reports what happened as events.
 *
 * `subscribed` frames name no request, but answers come in order. So at most one `subscribe` is unanswered at any
 * time, and nothing counts as its answer while an `unsubscribe` sent before it is unanswered too.
 */

import { ProtocolError } from '../errors.ts';

/** How a session is watched. `window`: most un-acked delta frames in flight, 1..256. */
export type SubscribeOptions = { readonly observe: boolean; readonly window: number };

export type SubscribeState = {
  /** `waiting`: refused for the moment, to be asked again at `due` */
  readonly type: 'detached' | 'waiting' | 'subscribing' | 'attached';
  /** undefined when nobody wants the session */
  readonly wanted?: SubscribeOptions | undefined;
  /** what the last `subscribe` asked for */
  readonly asked?: SubscribeOptions;
  /** the application subscribed, so the session is kept when the last follower leaves */
  readonly isPinned: boolean;
  /** handles on generations of the session, and looks at it */
  readonly followers: number;
  readonly isLive: boolean;
  /** everything up to here is known: lists say so, never an item that was announced */
  readonly rev: number;
  /** which store that is of */
  readonly store?: string | undefined;
  /** `unsubscribe` frames without an answer */
  readonly leaving: number;
};

/** A list; with `reset` it takes the place of all that was known. */
export type SubscribedEvent = {
  readonly type: 'subscribed';
  readonly rev: number;
  readonly store?: string | undefined;
  readonly more?: boolean;
  readonly reset?: boolean;
};

export type SubscribeEvent =
  | { readonly type: 'live' | 'lost' }
  /** the application subscribes, or changes how it watches; or takes that back */
  | { readonly type: 'subscribe'; readonly options: SubscribeOptions }
  | { readonly type: 'unsubscribe' }
  /** somebody needs the session, whoever else does; `options` if nobody else says how */
  | { readonly type: 'follow'; readonly options: SubscribeOptions }
  | { readonly type: 'unfollow' }
  /** ask for everything that changed */
  | { readonly type: 'refresh' }
  | SubscribedEvent
  | { readonly type: 'listed'; readonly rev: number }
  | { readonly type: 'refused'; readonly retryable: boolean }
  /** the pause after a refusal is over */
  | { readonly type: 'due' }
  /** an `unsubscribe` was answered */
  | { readonly type: 'left' };

export type SubscribeAction =
  /** as `asked` in the state */
  | 'subscribe'
  | 'unsubscribe'
  /** everything is here, and frames count from now on */
  | 'attach'
  | 'detach'
  /** it is watched as wanted: whoever waited for that is told */
  | 'settle';

export type SubscribeStep = {
  readonly state: SubscribeState;
  readonly actions: readonly SubscribeAction[];
};

export const INITIAL_SUBSCRIBE_STATE: SubscribeState = {
  type: 'detached',
  isPinned: false,
  followers: 0,
  isLive: false,
  rev: 0,
  leaving: 0,
};

const to = (state: SubscribeState, ...actions: readonly SubscribeAction[]): SubscribeStep => ({
  state,
  actions,
});

const detached = (state: SubscribeState, ...actions: readonly SubscribeAction[]): SubscribeStep =>
  to({ ...state, type: 'detached' }, 'detach', ...actions);

/** Asks for what is wanted, from where the client is. */
const subscribe = (state: SubscribeState): SubscribeStep => {
  const { wanted, isLive } = state;
  if (!isLive || wanted === undefined) return to({ ...state, type: 'detached' });
  return to({ ...state, type: 'subscribing', asked: wanted }, 'subscribe');
};

/** Somebody wants the session: what is under way already needs no second `subscribe`. */
const want = (state: SubscribeState): SubscribeStep => {
  const { type, wanted, asked } = state;
  if (type === 'subscribing') return to(state);
  const isAsked = wanted?.observe === asked?.observe && wanted?.window === asked?.window;
  return type === 'attached' && isAsked ? to(state, 'settle') : subscribe(state);
};

const leave = (state: SubscribeState): SubscribeStep => {
  if (state.wanted === undefined) return to(state);
  const left: SubscribeState = { ...state, wanted: undefined };
  if (!state.isLive) return detached(left);
  return detached({ ...left, leaving: state.leaving + 1 }, 'unsubscribe');
};

/** @throws ProtocolError */
const afterSubscribed = (
  state: SubscribeState,
  { rev, store, more, reset }: SubscribedEvent,
): SubscribeStep => {
  const { type } = state;
  if (state.leaving > 0) return to(state);
  const next = { ...state, store, rev: reset ? rev : Math.max(rev, state.rev) };
  // Told without being asked, where the server has another store now.
  const isNews = type === 'subscribing' || (type === 'attached' && reset);
  if (!isNews) return to(next);
  if (more && rev === state.rev && !reset) throw new ProtocolError('subscribed: a page that leads nowhere');
  if (more) return subscribe(next);
  const wanted = want({ ...next, type: 'attached' });
  return to(wanted.state, 'attach', ...wanted.actions);
};

/** Behind a `subscribe`, it says something of the attachment before. */
const afterListed = (state: SubscribeState, rev: number): SubscribeStep =>
  to(state.type === 'attached' ? { ...state, rev: Math.max(state.rev, rev) } : state);

const afterRefusal = (state: SubscribeState, retryable: boolean): SubscribeStep => {
  if (state.type !== 'subscribing' || state.leaving > 0) return to(state);
  if (!retryable) return detached({ ...state, wanted: undefined, isPinned: false });
  return to({ ...detached(state).state, type: 'waiting' }, 'detach');
};

const unfollow = (state: SubscribeState): SubscribeStep => {
  const next = { ...state, followers: state.followers - 1 };
  return next.followers === 0 && !next.isPinned ? leave(next) : to(next);
};

/** The machine. */
export const stepSubscribe = (state: SubscribeState, event: SubscribeEvent): SubscribeStep => {
  switch (event.type) {
    case 'live':
      return subscribe({ ...state, isLive: true });
    case 'lost':
      return detached({ ...state, isLive: false, leaving: 0 });
    case 'subscribe':
      return want({ ...state, isPinned: true, wanted: event.options });
    case 'unsubscribe':
      return leave({ ...state, isPinned: false });
    case 'follow':
      return want({ ...state, followers: state.followers + 1, wanted: state.wanted ?? event.options });
    case 'unfollow':
      return unfollow(state);
    case 'refresh':
      return state.type === 'attached' ? subscribe(state) : to(state);
    case 'subscribed':
      return afterSubscribed(state, event);
    case 'listed':
      return afterListed(state, event.rev);
    case 'refused':
      return afterRefusal(state, event.retryable);
    case 'due':
      return state.type === 'waiting' ? subscribe(state) : to(state);
    case 'left':
      return to({ ...state, leaving: Math.max(0, state.leaving - 1) });
  }
};
