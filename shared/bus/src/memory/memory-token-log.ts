import { linkedBefore } from '@sluice/core';
import type { ClosedChunk, Draft } from '@sluice/core';
import type { GenerationKey, StoredRecord } from '@sluice/protocol';
import { behindAlso } from '../behind.ts';
import type { Behind } from '../behind.ts';
import type { Border } from '../border.ts';
import { isErased } from '../cards/erased.ts';
import { LiveDelivery } from '../live-message.ts';
import type { LiveMessage } from '../live-message.ts';
import { storedRecordParser } from '../stored-record.ts';
import { chunkSubject, itemKey, stateSubject } from '../subjects.ts';
import type { TokenLog } from '../token-log.ts';
import { appendRecord, listen, publish } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryTokens = (hub: MemoryHub, border: Border): TokenLog => {
  const storedAt = (sequence: number): StoredRecord | undefined => {
    const entry = hub.log[sequence - 1];
    return entry && !isErased(entry.text)
      ? border.read('record', entry.text, storedRecordParser(entry.subject, sequence))
      : undefined;
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
  /** Where a draft may be appended; undefined: somebody else's record is there. */
  const behindOf = (key: GenerationKey, { expected, closed }: Draft): Behind | undefined => {
    const sequences = sequencesOf(key).toReversed();
    let behind: Behind = { tip: expected, isClosedLost: false };
    for (const sequence of sequences.filter((each) => each > expected)) {
      const { subject = '', text = '' } = hub.log[sequence - 1] ?? {};
      if (text !== closed?.payload && storedAt(sequence) !== undefined) return undefined;
      behind = behindAlso(behind, { subject, sequence, text }, closed);
    }
    return behind.tip === (sequences.at(-1) ?? 0) ? behind : undefined;
  };
  const store = (key: GenerationKey, { chunk, payload }: ClosedChunk): number =>
    appendRecord(hub, chunkSubject(0, key, chunk), payload);
  return {
    append: (key, draft) => {
      const behind = behindOf(key, draft);
      if (behind === undefined) return Promise.resolve({ type: 'wrong_sequence' });
      if (behind.isClosedLost && draft.closed !== undefined) store(key, draft.closed);
      return Promise.resolve({ type: 'stored', sequence: store(key, draft) });
    },
    isObscured: (key, head) => Promise.resolve((sequencesOf(key)[0] ?? 0) > (head?.sequence ?? 0)),
    head: (key) => Promise.resolve(headOf(key)),
    newest: ({ org, session }) => {
      const index = hub.log.findLastIndex(({ subject }) => subject.startsWith(`tok.0.${org}.${session}.`));
      return Promise.resolve(index + 1);
    },
    before: (key, next, count) => {
      const chunks = hub.chunks.get(itemKey(key, key.generation));
      const wanted = Array.from({ length: Math.min(count, next.chunk) }, (_, index) =>
        chunkSubject(0, key, next.chunk - 1 - index),
      );
      const found = wanted.flatMap((subject) => storedAt(chunks?.get(subject) ?? 0) ?? []);
      return Promise.resolve(linkedBefore(next, found));
    },
    tail: (key, listener) => {
      const delivery = new LiveDelivery(key, listener, border);
      const onMessage = (message: LiveMessage): void => delivery.take(message);
      return Promise.resolve(listen(hub.tails, `${key.org}.${key.session}`, onMessage));
    },
    announce: (key, state) => publish(hub, stateSubject(key), JSON.stringify({ state })),
  };
};
