import { SluiceError } from '@sluice/protocol';
import type { Position } from '@sluice/protocol';

/**
 * The `sequence_number` of a response's events, made of the log's own numbers, so that every edge gives an event
 * the same one, however the tokens came to it in frames: each token has eight numbers. What it opens and closes
 * takes the first ones; a delta has the last one of its newest token. Numbers rise, and not all are used.
 */
const PER_TOKEN = 8;
/** More than any log has: 512 KiB of text. */
const PER_EPOCH = 2 ** 27;

/** The two events that come before any token, whatever the epoch. */
export const CREATED = 0;
export const IN_PROGRESS = 1;
/** Of a stream that starts at the beginning: before everything. */
export const BEFORE_ALL = -1;

/** The first number that belongs to a token; to the end, which counts as one more token. */
export const numberBefore = ({ epoch, seq }: Position): number => epoch * PER_EPOCH + seq * PER_TOKEN;

/** The number of a delta whose newest token this is. */
export const numberOfDelta = (position: Position): number => numberBefore(position) + PER_TOKEN - 1;

/** Which tokens a client has that has had an event, and of which epoch. @throws SluiceError bad_frame */
export const positionAfter = (number: number): Position => {
  if (!Number.isSafeInteger(number) || number < BEFORE_ALL)
    throw new SluiceError('bad_frame', '`starting_after`: expected the number of an event');
  const inEpoch = Math.max(0, number) % PER_EPOCH;
  const token = Math.floor(inEpoch / PER_TOKEN);
  const hasDelta = inEpoch % PER_TOKEN === PER_TOKEN - 1;
  return {
    epoch: Math.floor(Math.max(0, number) / PER_EPOCH),
    seq: hasDelta ? token : Math.max(0, token - 1),
  };
};
