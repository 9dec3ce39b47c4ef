import type { CancelReply, ControlMessage, GenerationKey } from '@sluice/protocol';
import { NoRespondersError, RequestError } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import type { Control, ControlListener, Presence } from '../control.ts';
import type { StatsAsk, StatsDemand } from '../stats-demand.ts';
import { controlSubject, presenceSubject, statsSubject } from '../subjects.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import { REQUEST_TIMEOUT_MS } from './connection.ts';
import { unavailable } from './last-message.ts';
import { refuse } from './no-responders.ts';

/** @param onInvalid called with messages that cannot be read, and with what a listener throws */
export const createNatsControl = (nc: NatsConnection, onInvalid: (error: Error) => void): Control => ({
  ack: (key, ack) => publish(nc, controlSubject(key), ack),
  cancel: (key, user) => request<CancelReply>(nc, key, { type: 'cancel', user }),
  serve: async (key: GenerationKey, listener: ControlListener) => {
    let open = true;
    const onMessage = (message: Msg): void => (open ? onControl(message, listener) : refuse(message));
    const subscription = await subscribeNow(nc, controlSubject(key), onMessage, onInvalid);
    return {
      close: () => {
        open = false;
        subscription.drain();
      },
    };
  },
});

/** @returns undefined when nobody serves this generation @throws BusUnavailableError */
const request = async <Reply>(
  nc: NatsConnection,
  key: GenerationKey,
  message: ControlMessage,
): Promise<Reply | undefined> => {
  try {
    const reply = await nc.request(controlSubject(key), JSON.stringify(message), {
      timeout: REQUEST_TIMEOUT_MS,
    });
    return reply.json<Reply>();
  } catch (error) {
    if (isNoResponders(error)) return undefined;
    throw unavailable(message.type, error);
  }
};

/** Ephemeral state, repeated by its sender: on a closed connection there is nobody left to tell. */
const publish = (nc: NatsConnection, subject: string, message: unknown): void => {
  if (!nc.isClosed()) nc.publish(subject, JSON.stringify(message));
};

const isNoResponders = (error: unknown): boolean =>
  error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());

const onControl = (message: Msg, listener: ControlListener): void => {
  const control = message.json<ControlMessage>();
  if (control.type === 'ack') listener.ack(control);
  else if (control.type === 'cancel') message.respond(JSON.stringify(listener.cancel(control.user)));
};

export const createNatsPresence = (nc: NatsConnection): Presence => ({
  publish: (key, message) => publish(nc, presenceSubject(key), message),
});

/** @param onInvalid as for {@link createNatsControl} */
export const createNatsStats = (nc: NatsConnection, onInvalid: (error: Error) => void): StatsDemand => ({
  ask: (ask) => publish(nc, statsSubject, ask),
  onAsk: (listener) =>
    subscribeNow(nc, statsSubject, (message) => listener(message.json<StatsAsk>()), onInvalid),
});
