import type { ClosedChunk } from '@sluice/core';
import { chunkOfSubject } from './subjects.ts';

/** A message of a log as it was stored. */
export type LogMessage = { readonly subject: string; readonly sequence: number; readonly text: string };

/** Where a writer may append although others have stored something since its newest record: none of it is a record. */
export type Behind = {
  /** the sequence to expect */
  readonly tip: number;
  /** a foreign message stands in place of the chunk that its draft closes: store that again first */
  readonly isClosedLost: boolean;
};

/** The same after one more message, which is foreign or the closed chunk itself, stored again by an earlier try. */
export const behindAlso = (
  { isClosedLost }: Behind,
  { subject, sequence, text }: LogMessage,
  closed: ClosedChunk | undefined,
): Behind => {
  const isOn = closed !== undefined && chunkOfSubject(subject) === closed.chunk;
  return { tip: sequence, isClosedLost: isOn ? text !== closed.payload : isClosedLost };
};
