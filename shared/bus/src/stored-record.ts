import { ForeignMessageError, parseRecord } from '@sluice/protocol';
import type { StoredRecord } from '@sluice/protocol';
import { chunkOfSubject } from './subjects.ts';

/** A parser of what the log has under a chunk's subject. It throws ForeignMessageError. */
export const storedRecordParser =
  (subject: string, sequence: number) =>
  (text: string): StoredRecord => {
    const chunk = chunkOfSubject(subject);
    if (chunk === undefined) throw new ForeignMessageError('expected a chunk number in the subject');
    return { sequence, chunk, record: parseRecord(text) };
  };
