import { readChain, tokensOf } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { SluiceError, partRefOf, textOf, kindOf, toolOf } from '@sluice/protocol';
import type { Position, Token } from '@sluice/protocol';
import { BEFORE_ALL, IN_PROGRESS, positionAfter } from './event-number.ts';
import { ResponseEvents } from './response-events.ts';
import type { Tokens } from './response-events.ts';
import { piecesOfItem } from './response-output.ts';
import type { StoredResponse } from './stored-response.ts';

/** Events of a response, and the tokens to go on after; undefined: none were shown. */
export type Resumption = { readonly events: ResponseEvents; readonly position: Position | undefined };

export type ResumeOptions = {
  /** number of the last event that the client has; default none */
  readonly after?: number | undefined;
  /** see {@link ResponseEvents} */
  readonly isRepeatable?: boolean;
};

/**
 * The events of a response after one that the client has had, on whatever edge: what was shown before is
 * taken in from the log, as the closing events need it.
 * @throws SluiceError bad_frame, conflict, not_found; BusUnavailableError
 */
export const resumeResponse = async (
  response: StoredResponse,
  bus: Bus,
  { after = BEFORE_ALL, isRepeatable }: ResumeOptions = {},
): Promise<Resumption> => {
  const events = new ResponseEvents(response.head, after, isRepeatable);
  const position = positionAfter(after);
  if (after <= IN_PROGRESS) return { events, position: undefined };
  for (const tokens of await tokensUpTo(position, response, bus)) events.take(tokens);
  return { events, position };
};

const tokensUpTo = async (
  { epoch, seq }: Position,
  { key, item }: StoredResponse,
  bus: Bus,
): Promise<Tokens[]> => {
  const head = await bus.tokens.head(key);
  const current = head?.record.epoch ?? item.epoch;
  if (epoch !== current)
    throw new SluiceError('conflict', 'the text was started again: stream from its beginning');
  const chain = head && (await readChain(bus.tokens, key, head, 0));
  if (chain?.complete === true) {
    const tokens = tokensOf(chain);
    if (seq > tokens.length) throw new SluiceError('bad_frame', '`starting_after`: no such event yet');
    return tokens.slice(0, seq).map((token, from) => tokensOfOne(token, { epoch, seq: from + 1 }));
  }
  if (seq === 0) return [];
  if (item.status === 'done' && seq === item.seq)
    return piecesOfItem(item).map((piece) => ({ ...piece, epoch, from: 0, seq }));
  throw new SluiceError('not_found', 'the events after this one have expired: read the response whole');
};

const tokensOfOne = (token: Token, { epoch, seq }: Position): Tokens => {
  const tool = toolOf(token);
  const part = partRefOf(token);
  const from = seq - 1;
  return {
    kind: kindOf(token),
    text: textOf(token),
    ...(tool === undefined ? {} : { tool }),
    ...(part === undefined ? {} : { part }),
    epoch,
    from,
    seq,
  };
};
