import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryBus, createMemoryHub } from '@sluice/bus';
import type { Subscription } from '@sluice/bus';
import type { ControlAck } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { AckForwarder } from '../src/feeds/ack-forwarder.ts';
import { keyOf } from './support/asking.ts';

const key = keyOf('s1', 'g1');
const viewer = (seq: number) => ({ connection: 'c1', epoch: 0, seq, isOwner: true });
const first = { epoch: 0, attempt: 1 };

let told: ControlAck[];
let serving: Subscription;
let acks: AckForwarder;
beforeEach(async () => {
  const bus = createMemoryBus(createMemoryHub());
  told = [];
  serving = await bus.control.serve(key, {
    ack: (ack) => void told.push(ack),
    cancel: () => ({ type: 'cancelling', attempt: 1 }),
  });
  acks = new AckForwarder(key, 'fastest', { control: bus.control, edge: 'e1' });
});

afterEach(() => serving.close());

const seqsTold = (count: number): Promise<number[]> =>
  waitFor(() => (told.length === count ? told.map(({ seq }) => seq) : undefined), { what: `${count} acks` });

describe('what governs here', () => {
  test('is told when it changes, and not again at once', async () => {
    expect(acks.forward(first, 0, false)).toBe(false);
    acks.set(viewer(3));
    expect(acks.forward(first, 0, false)).toBe(true);
    expect(acks.forward(first, 1, false)).toBe(false);
    acks.set(viewer(9));
    expect(acks.forward(first, 2, false)).toBe(true);
    expect(await seqsTold(2)).toEqual([3, 9]);
  });

  test('is told again to another attempt, and in another epoch: neither knows of any ack', async () => {
    acks.set(viewer(3));
    expect(acks.forward(first, 0, false)).toBe(true);
    expect(acks.forward({ epoch: 0, attempt: 2 }, 1, false)).toBe(true);
    expect(acks.forward({ epoch: 0, attempt: 2 }, 2, false)).toBe(false);
    expect(acks.forward({ epoch: 1, attempt: 3 }, 3, false)).toBe(true);
    expect(await seqsTold(3)).toEqual([3, 3, 0]);
  });

  test('is repeated, sooner while the run says nothing', () => {
    acks.set(viewer(3));
    expect(acks.forward(first, 0, false)).toBe(true);
    expect(acks.forward(first, 999, true)).toBe(false);
    expect(acks.forward(first, 1_000, true)).toBe(true);
    expect(acks.forward(first, 5_999, false)).toBe(false);
    expect(acks.forward(first, 6_000, false)).toBe(true);
  });

  test('is nobody, said once, when the last viewer has left', async () => {
    acks.set(viewer(3));
    expect(acks.forward(first, 0, false)).toBe(true);
    acks.delete('c1');
    expect(acks.forward(first, 1, false)).toBe(true);
    expect(acks.forward(first, 60_000, true)).toBe(false);
    await seqsTold(2);
    expect(told.at(-1)).toMatchObject({ viewers: 0, seq: 0 });
  });
});
