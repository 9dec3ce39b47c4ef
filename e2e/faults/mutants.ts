import { setTimeout as pause } from 'node:timers/promises';
import type { Bus, SessionStore, TailListener, TokenLog } from '@sluice/bus';
import type { Draft, PublishOutcome } from '@sluice/core';
import { headOf, parseRecord } from '@sluice/protocol';
import type { GenerationKey, Position, StoredRecord } from '@sluice/protocol';
import { altered } from '@sluice/testkit';

// Wrong systems, made of the right one by wrapping what it is given: each breaks one rule that a guarantee
// rests on. No production code knows of them.

const withTokens = (bus: Bus, changed: Partial<TokenLog>): Bus => ({
  ...bus,
  tokens: { ...bus.tokens, ...changed },
});

/** Keeps what a worker was told is stored: the oracle's `acked`. */
export const witnessed = (bus: Bus, told: Position[]): Bus =>
  withTokens(bus, {
    append: async (key, draft) => {
      const outcome = await bus.tokens.append(key, draft);
      if (outcome.type === 'stored') told.push({ epoch: draft.epoch, seq: draft.head });
      return outcome;
    },
  });

/** A fault and not a mutant: the publish with this number (from 1) and all later ones behave differently. */
export const failingFrom = (
  bus: Bus,
  first: number,
  instead: (key: GenerationKey, draft: Draft, count: number) => Promise<PublishOutcome> | undefined,
): Bus => {
  let count = 0;
  return withTokens(bus, {
    append: (key, draft) => {
      count += 1;
      return (count < first ? undefined : instead(key, draft, count)) ?? bus.tokens.append(key, draft);
    },
  });
};

/** M1: live viewers are fed before the record is stored. */
export class IngestTap {
  readonly #listeners = new Set<TailListener>();

  edge(bus: Bus): Bus {
    return withTokens(bus, {
      tail: async (key, listener) => {
        this.#listeners.add(listener);
        const subscription = await bus.tokens.tail(key, altered(listener, { record: () => undefined }));
        return {
          close: () => {
            this.#listeners.delete(listener);
            subscription.close();
          },
        };
      },
    });
  }

  worker(bus: Bus): Bus {
    return withTokens(bus, {
      append: (key, draft) => {
        for (const listener of this.#listeners) listener.record(key.generation, parseRecord(draft.payload));
        return bus.tokens.append(key, draft);
      },
    });
  }
}

/** M2: heads and items are read from a replica that lags for good behind `until`, and nothing checks how far. */
export const staleReads = (bus: Bus, until: number): Bus =>
  withTokens(withUnfinished(bus), {
    head: async (key) => {
      // A read takes its time: one that answered at once would let a retry loop starve the process.
      await pause(5);
      let head = await bus.tokens.head(key);
      while (head !== undefined && head.record.base > until) [head] = await bus.tokens.before(key, head, 1);
      return head;
    },
  });

/** What the end of a generation says in its item is not there yet. */
const withUnfinished = (bus: Bus): Bus => {
  const item: Bus['sessions']['item'] = async (...args) => {
    const stored = await bus.sessions.item(...args);
    return stored?.item.kind === 'generation' && stored.item.status === 'done' ? undefined : stored;
  };
  return { ...bus, sessions: { ...bus.sessions, item } };
};

/** A fault: the live copies of a generation's last record, and of its item, get lost. */
export const losingLastLive = (bus: Bus): Bus =>
  withTokens(bus, {
    tail: (key, listener) =>
      bus.tokens.tail(
        key,
        altered(listener, {
          record: (generation, record) => {
            if (record.end === undefined) listener.record(generation, record);
          },
          item: (stored) => {
            if (stored.item.kind !== 'generation' || stored.item.status !== 'done') listener.item(stored);
          },
        }),
      ),
  });

/** M3: a silent log is not looked at again. A check reads the item beside the head; an attach does not. */
export const withoutTailCheck = (bus: Bus): Bus => {
  const seen = new Map<string, StoredRecord | undefined>();
  return {
    ...withTokens(bus, {
      head: async (key) => {
        if (!seen.has(key.generation)) seen.set(key.generation, await bus.tokens.head(key));
        return seen.get(key.generation);
      },
    }),
    sessions: {
      ...bus.sessions,
      item: async (key, id) => {
        const stored = await bus.sessions.item(key, id);
        return stored?.item.kind === 'generation' && stored.item.status === 'done' ? undefined : stored;
      },
    },
  };
};

/** M4: publishes are not fenced: whatever is newest is what they expect. */
export const unfenced = (bus: Bus): Bus =>
  withTokens(bus, {
    append: async (key, draft) => {
      const expected = (await bus.tokens.head(key))?.sequence ?? 0;
      return bus.tokens.append(key, { ...draft, expected });
    },
  });

/** M6: a refused record counts as stored. */
export const refusalIsSuccess = (bus: Bus): Bus =>
  withTokens(bus, {
    append: async (key, draft) => {
      const outcome = await bus.tokens.append(key, draft);
      return outcome.type === 'wrong_sequence' ? { type: 'stored', sequence: draft.expected } : outcome;
    },
  });

/** M7: the answer comes before the write. */
export const earlyAck = (bus: Bus): Bus =>
  withTokens(bus, {
    append: (key, draft) => {
      const written = bus.tokens.append(key, draft);
      void written;
      return Promise.resolve({ type: 'stored', sequence: draft.expected + 1 });
    },
  });

/** M8: a job is deduplicated by the client's own id, whatever its org. */
export const rawClientKey = (bus: Bus): Bus => {
  const seen = new Set<string>();
  return {
    ...bus,
    jobs: {
      ...bus.jobs,
      publish: async (job) => {
        if (seen.has(job.generation)) return;
        seen.add(job.generation);
        await bus.jobs.publish(job);
      },
    },
  };
};

/** M9: whoever attaches is taken to have everything. */
export const renewedCredit = (bus: Bus): Bus => ({
  ...bus,
  control: {
    ...bus.control,
    ack: (key, ack) => {
      void bus.tokens.head(key).then((head) => {
        const seq = head === undefined ? ack.seq : headOf(head.record);
        bus.control.ack(key, { ...ack, seq });
      });
    },
  },
});

/** M10: a replay ends after this many chunks, as if there were no more. */
export const cutReplay = (bus: Bus, chunks: number): Bus => {
  let left = chunks;
  return withTokens(bus, {
    before: (key, next, count) => {
      const allowed = Math.min(count, left);
      left -= allowed;
      return bus.tokens.before(key, next, allowed);
    },
  });
};

/** M11: a worker does not know of earlier attempts, so that it begins in the epoch that they wrote. */
export const forgetful = (bus: Bus): Bus => ({
  ...bus,
  sessions: {
    ...bus.sessions,
    item: async (key, id) => {
      const stored = await bus.sessions.item(key, id);
      if (stored?.item.kind !== 'generation' || stored.item.status !== 'queued') return stored;
      return { ...stored, item: { ...stored.item, attempt: 0 } };
    },
  },
});

/** M12: what storage refuses for good counts as an outage, which passes. */
export const refusalIsOutage = (bus: Bus): Bus =>
  withTokens(bus, {
    append: async (key, draft) => {
      const outcome = await bus.tokens.append(key, draft);
      return outcome.type === 'limit' ? { type: 'unknown', detail: outcome.detail } : outcome;
    },
  });

/** M13: what comes live moves the watermark of lists: whatever was stored before it and not listed yet is left out. */
export const listingFromLive = (bus: Bus): Bus => {
  let heard = 0;
  const tail: TokenLog['tail'] = (key, listener) =>
    bus.tokens.tail(
      key,
      altered(listener, {
        item: (stored) => {
          heard = Math.max(heard, stored.rev);
          listener.item(stored);
        },
      }),
    );
  const items: SessionStore['items'] = (key, since) => bus.sessions.items(key, Math.max(since, heard));
  return { ...withTokens(bus, { tail }), sessions: { ...bus.sessions, items } };
};
