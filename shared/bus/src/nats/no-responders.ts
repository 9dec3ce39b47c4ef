import { headers } from 'nats';
import type { Msg } from 'nats';

/** Status of the server's own answer to a request that nobody serves. */
export const NO_RESPONDERS = 503;

/** What we make of it. */
export class UnservedError extends Error {}

/** That, or what the library makes of it when JetStream was asked. */
export const isUnserved = (error: Error): boolean =>
  error instanceof UnservedError || error.name === 'JetStreamNotEnabled';

/** Answers a request that crossed with the close as the server does when nobody serves: no timeout for it. */
export const refuse = (message: Msg): void => {
  message.respond('', { headers: headers(NO_RESPONDERS, 'No Responders') });
};
