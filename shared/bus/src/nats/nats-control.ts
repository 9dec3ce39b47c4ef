import type { ControlMessage, GenerationKey } from '@sluice/protocol';
import { NoRespondersError, RequestError } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import type { Border } from '../border.ts';
import { BusUnavailableError } from '../bus.ts';
import type { Control, ControlListener, Presence } from '../control.ts';
import { parseCancelReply, parseControl, parseStatsAsk } from '../messages.ts';
import type { StatsDemand } from '../stats/stats-demand.ts';
import { controlSubject, presenceSubject, statsSubject } from '../subjects.ts';
import { subscribeNow } from './confirmed-subscription.ts';
import type { Inlet } from './confirmed-subscription.ts';
import { REQUEST_TIMEOUT_MS } from './connection/connection.ts';
import { busError } from './answer.ts';
import { refuse } from './no-responders.ts';

export const createNatsControl = (nc: NatsConnection, { border, onError }: Inlet): Control => ({
  ack: (key, ack) => publish(nc, controlSubject(key), ack),
  cancel: async (key, user) => {
    const reply = await request(nc, key, { type: 'cancel', user });
    return reply && readReply(border, reply, parseCancelReply);
  },
  serve: async (key: GenerationKey, listener: ControlListener) => {
    let open = true;
    const onMessage = (message: Msg): void => (open ? onControl(message, listener, border) : refuse(message));
    const subscription = await subscribeNow(nc, controlSubject(key), onMessage, onError);
    return {
      close: () => {
        open = false;
        subscription.drain();
      },
    };
  },
});

/** @returns undefined when nobody serves this generation @throws BusUnavailableError */
const request = async (
  nc: NatsConnection,
  key: GenerationKey,
  message: ControlMessage,
): Promise<Msg | undefined> => {
  try {
    return await nc.request(controlSubject(key), JSON.stringify(message), { timeout: REQUEST_TIMEOUT_MS });
  } catch (error) {
    if (isNoResponders(error)) return undefined;
    throw busError(message.type, error);
  }
};

/** @throws BusUnavailableError: whoever runs it did not say what became of the request */
const readReply = <Reply>(border: Border, reply: Msg, parse: (text: string) => Reply): Reply => {
  const read = border.read('control_reply', reply.string(), parse);
  if (read === undefined) throw new BusUnavailableError('control: expected a reply, got something else');
  return read;
};

/** Ephemeral state, repeated by its sender: on a closed connection there is nobody left to tell. */
const publish = (nc: NatsConnection, subject: string, message: unknown): void => {
  if (!nc.isClosed()) nc.publish(subject, JSON.stringify(message));
};

const isNoResponders = (error: unknown): boolean =>
  error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());

const onControl = (message: Msg, listener: ControlListener, border: Border): void => {
  const control = border.read('control', message.string(), parseControl);
  if (control?.type === 'ack') listener.ack(control);
  else if (control?.type === 'cancel') message.respond(JSON.stringify(listener.cancel(control.user)));
};

export const createNatsPresence = (nc: NatsConnection): Presence => ({
  publish: (key, message) => publish(nc, presenceSubject(key), message),
});

export const createNatsStats = (nc: NatsConnection, { border, onError }: Inlet): StatsDemand => ({
  ask: (ask) => publish(nc, statsSubject, ask),
  onAsk: (listener) => {
    const onMessage = (message: Msg): void => {
      const ask = border.read('stats_ask', message.string(), parseStatsAsk);
      if (ask !== undefined) listener(ask);
    };
    return subscribeNow(nc, statsSubject, onMessage, onError);
  },
});
