import { linkedBefore } from '@sluice/core';
import type { GenerationKey, StoredRecord } from '@sluice/protocol';
import type { Border } from '../border.ts';
import { deliverTo } from '../live-message.ts';
import { storedRecordParser } from '../stored-record.ts';
import { chunkSubject, itemKey, stateSubject } from '../subjects.ts';
import type { TokenLog } from '../token-log.ts';
import { appendRecord, listen, publish } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryTokens = (hub: MemoryHub, border: Border): TokenLog => {
  const storedAt = (sequence: number): StoredRecord | undefined => {
    const entry = hub.log[sequence - 1];
    return entry && border.read('record', entry.text, storedRecordParser(entry.subject, sequence));
  };
  /** Sequences of what the log has, newest first. */
  const sequencesOf = (key: GenerationKey): number[] =>
    [...(hub.chunks.get(itemKey(key, key.generation))?.values() ?? [])].toSorted((a, b) => b - a);
  const headOf = (key: GenerationKey): StoredRecord | undefined => {
    for (const sequence of sequencesOf(key)) {
      const stored = storedAt(sequence);
      if (stored !== undefined) return stored;
    }
    return undefined;
  };
  const mayFollow = (key: GenerationKey, expected: number): boolean => {
    const sequences = sequencesOf(key);
    const later = sequences.filter((sequence) => sequence > expected);
    if (later.length === 0) return (sequences[0] ?? 0) === expected;
    return later.every((sequence) => storedAt(sequence) === undefined);
  };
  return {
    append: (key, { chunk, payload, expected }) => {
      if (!mayFollow(key, expected)) return Promise.resolve({ type: 'wrong_sequence' });
      const sequence = appendRecord(hub, chunkSubject(0, key, chunk), payload);
      return Promise.resolve({ type: 'stored', sequence });
    },
    head: (key) => Promise.resolve(headOf(key)),
    before: (key, next, count) => {
      const chunks = hub.chunks.get(itemKey(key, key.generation));
      const wanted = Array.from({ length: Math.min(count, next.chunk) }, (_, index) =>
        chunkSubject(0, key, next.chunk - 1 - index),
      );
      const found = wanted.flatMap((subject) => storedAt(chunks?.get(subject) ?? 0) ?? []);
      return Promise.resolve(linkedBefore(next, found));
    },
    tail: (key, listener) =>
      Promise.resolve(listen(hub.tails, `${key.org}.${key.session}`, deliverTo(key, listener, border))),
    announce: (key, state) => publish(hub, stateSubject(key), JSON.stringify({ state })),
  };
};
