/**
 * A message that is none of ours. Whatever comes over NATS is somebody else's program; what does not fit its shape
 * is counted and dropped. The message names fields and types, never content.
 */
export class ForeignMessageError extends Error {
  readonly code = 'foreign_message';
}

/** @throws ForeignMessageError */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // Without the cause, which quotes what it could not read.
    throw new ForeignMessageError('expected JSON');
  }
};
