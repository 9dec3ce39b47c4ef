import { describe, expect, test } from '@jest/globals';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { BusUnavailableError } from '../src/index.ts';
import { readLast, SequenceReader } from '../src/nats/last-message.ts';

type Cluster = JetStreamManager & { readonly direct: { readonly asked: number } };
type Answer = 'old' | 'new' | 'nothing' | 'error' | 'silence';

/** JetStream with a replica that answers direct gets, and a leader that answers the others: each time the next. */
const cluster = (replica: Answer, ...leader: readonly Answer[]): Cluster => {
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
  return { direct: reader(replica), streams: reader(...leader) } as unknown as Cluster;
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

describe('the message at a sequence', () => {
  test('comes from any replica that has it', async () => {
    expect(await new SequenceReader(cluster('new', 'error'), 3).read('S', 1)).toMatchObject({
      subject: 'new',
    });
  });

  test('is absent only when the leader says so: a replica may lag', async () => {
    expect(await new SequenceReader(cluster('nothing', 'new'), 3).read('S', 1)).toMatchObject({
      subject: 'new',
    });
    expect(await new SequenceReader(cluster('nothing', 'nothing'), 3).read('S', 1)).toBeUndefined();
    await expect(new SequenceReader(cluster('nothing', 'error'), 3).read('S', 1)).rejects.toThrow(
      BusUnavailableError,
    );
  });

  test('comes from the leader where a replica hangs, and for a while without asking it again', async () => {
    const jsm = cluster('silence', 'new');
    const reader = new SequenceReader(jsm, 3);
    expect(await reader.read('S', 1)).toMatchObject({ subject: 'new' });
    for (let sequence = 2; sequence < 50; sequence += 1)
      expect(await reader.read('S', sequence)).toMatchObject({ subject: 'new' });
    expect(jsm.direct.asked).toBe(1);
  });

  test('that is absent on a single server costs one read', async () => {
    expect(await new SequenceReader(cluster('nothing', 'error'), 1).read('S', 1)).toBeUndefined();
  });
});
