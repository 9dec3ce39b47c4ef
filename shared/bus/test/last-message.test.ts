import { describe, expect, test } from '@jest/globals';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { BusUnavailableError } from '../src/index.ts';
import { readLast } from '../src/nats/last-message.ts';

type Answer = 'old' | 'new' | 'nothing' | 'error' | 'silence';

/** JetStream with a replica that answers direct gets, and a leader that answers the others: each time the next. */
const cluster = (replica: Answer, ...leader: readonly Answer[]): JetStreamManager => {
  const reader = (...answers: readonly Answer[]) => ({
    asked: 0,
    getMessage(): Promise<StoredMsg | null> {
      const answer = answers[Math.min(this.asked, answers.length - 1)] as Answer;
      this.asked += 1;
      if (answer === 'silence') return new Promise(() => undefined);
      if (answer === 'error') return Promise.reject(new Error('timeout'));
      return Promise.resolve(answer === 'nothing' ? null : ({ subject: answer } as StoredMsg));
    },
  });
  return { direct: reader(replica), streams: reader(...leader) } as unknown as JetStreamManager;
};

describe('the newest message', () => {
  test('comes from the leader when there are replicas, however old theirs is', async () => {
    expect(await readLast(cluster('old', 'new'), 'S', 's', 3)).toMatchObject({ subject: 'new' });
    expect(await readLast(cluster('old', 'nothing'), 'S', 's', 3)).toBeUndefined();
  });

  test('of a single server is a direct get', async () => {
    expect(await readLast(cluster('new', 'error'), 'S', 's', 1)).toMatchObject({ subject: 'new' });
    expect(await readLast(cluster('nothing', 'error'), 'S', 's', 1)).toBeUndefined();
  });

  test('is asked for again while a leader is elected, who never hears of what was asked before', async () => {
    expect(await readLast(cluster('old', 'silence', 'error', 'new'), 'S', 's', 3)).toMatchObject({
      subject: 'new',
    });
  });

  test('that cannot be read is unavailable, not absent', async () => {
    await expect(readLast(cluster('new', 'error'), 'S', 's', 3)).rejects.toThrow(BusUnavailableError);
  });
});
