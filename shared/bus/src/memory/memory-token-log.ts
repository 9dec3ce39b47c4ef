import { parseRecord } from '@sluice/protocol';
import type { StoredRecord } from '@sluice/protocol';
import type { Border } from '../border.ts';
import { deliverTo } from '../live-message.ts';
import { stateSubject, tokenSubject } from '../subjects.ts';
import type { TokenLog } from '../token-log.ts';
import { appendRecord, listen, publish } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryTokens = (hub: MemoryHub, border: Border): TokenLog => {
  const storedAt = (subject: string, sequence: number): StoredRecord | undefined => {
    const entry = hub.log[sequence - 1];
    if (entry?.subject !== subject) return undefined;
    const record = border.read('record', entry.text, parseRecord);
    return record && { sequence, record };
  };
  /** The newest message that is a record. */
  const headOf = (subject: string): StoredRecord | undefined => {
    let head: StoredRecord | undefined;
    for (let sequence = hub.heads.get(subject) ?? 0; sequence > 0 && head === undefined; sequence -= 1)
      head = storedAt(subject, sequence);
    return head;
  };
  return {
    append: (key, draft) => {
      const subject = tokenSubject(0, key);
      const isNewest = (headOf(subject)?.sequence ?? 0) === draft.expected;
      if (!isNewest) return Promise.resolve({ type: 'wrong_sequence' });
      return Promise.resolve({ type: 'stored', sequence: appendRecord(hub, subject, draft.payload) });
    },
    head: (key) => Promise.resolve(headOf(tokenSubject(0, key))),
    at: (key, sequence) => Promise.resolve(storedAt(tokenSubject(0, key), sequence)),
    tail: (key, listener) =>
      Promise.resolve(listen(hub.tails, `${key.org}.${key.session}`, deliverTo(key, listener, border))),
    announce: (key, state) => publish(hub, stateSubject(key), JSON.stringify({ state })),
  };
};
