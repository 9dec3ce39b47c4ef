import type { StoredRevocation } from '@sluice/core';
import type { Border } from '../border.ts';
import { parseRevocation } from '../messages.ts';
import type { Revocations } from '../revocations.ts';
import { liveRevocationSubjects, revocationSubject } from '../subjects.ts';
import { listen, publish } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryRevocations = (hub: MemoryHub, border: Border): Revocations => {
  const readOne = (stored: string): StoredRevocation | undefined => {
    const { rev, text } = JSON.parse(stored) as { rev: number; text: string };
    const revocation = border.read('revocation', text, parseRevocation);
    return revocation && { ...revocation, rev };
  };
  return {
    put: (revocation) =>
      Promise.resolve(publish(hub, revocationSubject(revocation), JSON.stringify(revocation))),
    list: () => {
      const revocations = [...hub.revoked.values()].flatMap((stored) => readOne(stored) ?? []);
      // As NATS, which removes what has expired.
      const now = Date.now();
      return Promise.resolve({
        revocations: revocations.filter(({ expiresAt }) => expiresAt > now),
        upTo: hub.revocations,
      });
    },
    watch: (listener) => {
      const onText = (stored: string): void => {
        const revocation = readOne(stored);
        if (revocation !== undefined) listener(revocation);
      };
      return Promise.resolve(listen(hub.listeners, liveRevocationSubjects, onText));
    },
  };
};
