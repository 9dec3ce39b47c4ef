import { ForeignMessageError, parseOrg } from '@sluice/protocol';
import { idSchema, parserOf } from '@sluice/protocol/schema';
import { z } from 'zod';
import type { Caller } from '../auth/grant.ts';

/** What is asked of a connection over HTTP. `after`: frames that came before, up or down. */
export type ConnectionCall = { readonly connection: string; readonly caller: Caller } & (
  | { readonly type: 'frames'; readonly after: number }
  | { readonly type: 'poll'; readonly after: number; readonly waitMs: number }
  | { readonly type: 'leave' }
);

const OUTCOMES = ['ok', 'gone', 'gap'] as const;

/** `gone`: there is no such connection, or none of this caller. `gap`: it does not go on at `after`. */
export type CallAnswer = { readonly outcome: (typeof OUTCOMES)[number]; readonly body: string };

/** Another edge is asked anew this often while a poll waits, so that its death is noticed, ms. */
export const RELAY_WAIT_MS = 4_000;

const of = {
  connection: z.string(),
  caller: z.object({ user: z.string(), org: idSchema.transform(parseOrg) }),
};
const after = z.int().min(0);
const callSchema = z.discriminatedUnion('type', [
  z.object({ ...of, type: z.literal('frames'), after }),
  z.object({ ...of, type: z.literal('poll'), after, waitMs: z.number().max(RELAY_WAIT_MS) }),
  z.object({ ...of, type: z.literal('leave') }),
]) satisfies z.ZodType<ConnectionCall>;

const parseHead = parserOf(callSchema);

/** A call and what comes with it, over the relay: one line of JSON, then the frames as they are. */
export type CallMessage = { readonly call: ConnectionCall; readonly body: string };

export const encodeCall = ({ call, body }: CallMessage): string => `${JSON.stringify(call)}\n${body}`;

/** @throws ForeignMessageError */
export const parseCall = (question: string): CallMessage => {
  const [head, body] = split(question);
  return { call: parseHead(head), body };
};

export const encodeAnswer = ({ outcome, body }: CallAnswer): string => `${outcome}\n${body}`;

/** @throws ForeignMessageError */
export const parseAnswer = (answer: string): CallAnswer => {
  const [head, body] = split(answer);
  const outcome = OUTCOMES.find((name) => name === head);
  if (outcome === undefined) throw new ForeignMessageError('expected an outcome and frames');
  return { outcome, body };
};

const split = (message: string): readonly [string, string] => {
  const end = message.indexOf('\n');
  return [message.slice(0, end), message.slice(end + 1)];
};
