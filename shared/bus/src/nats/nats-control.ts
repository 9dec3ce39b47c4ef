import type { CancelReply, ControlMessage, GenerationKey, PresenceMessage } from '@sluice/protocol';
import { NoRespondersError, RequestError } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import type { Control, ControlListener, Presence } from '../control.ts';
import { controlSubject, presenceSubject } from '../subjects.ts';
import { REQUEST_TIMEOUT_MS } from './connection.ts';
import { unavailable } from './last-message.ts';

export const createNatsControl = (nc: NatsConnection): Control => ({
  ack: (key, ack) => nc.publish(controlSubject(key), JSON.stringify(ack)),
  cancel: async (key, user) => {
    const request = JSON.stringify({ type: 'cancel', user });
    try {
      const reply = await nc.request(controlSubject(key), request, { timeout: REQUEST_TIMEOUT_MS });
      return reply.json<CancelReply>();
    } catch (error) {
      if (isNoResponders(error)) return undefined;
      throw unavailable('cancel', error);
    }
  },
  serve: async (key: GenerationKey, listener: ControlListener) => {
    const subscription = nc.subscribe(controlSubject(key), {
      callback: (error, message) => {
        if (error === null || error === undefined) onControl(message, listener);
      },
    });
    await nc.flush().catch((error: unknown) => {
      subscription.unsubscribe();
      throw unavailable('subscription to control messages', error);
    });
    return { close: () => subscription.unsubscribe() };
  },
});

const isNoResponders = (error: unknown): boolean =>
  error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());

const onControl = (message: Msg, listener: ControlListener): void => {
  const control = parse<ControlMessage>(message);
  if (control?.type === 'ack') listener.ack(control);
  else if (control?.type === 'cancel') message.respond(JSON.stringify(listener.cancel(control.user)));
};

export const createNatsPresence = (nc: NatsConnection): Presence => ({
  publish: (key, message) => nc.publish(presenceSubject(key), JSON.stringify(message)),
  subscribe: (key, listener) => {
    const subscription = nc.subscribe(presenceSubject(key), {
      callback: (error, message) => {
        if (error !== null && error !== undefined) return;
        const presence = parse<PresenceMessage>(message);
        if (presence !== undefined) listener(presence);
      },
    });
    return { close: () => subscription.unsubscribe() };
  },
});

const parse = <Message>(message: Msg): Message | undefined => {
  try {
    return message.json<Message>();
  } catch {
    // Ephemeral and from our own services: what cannot be read carries nothing to act on.
    return undefined;
  }
};
