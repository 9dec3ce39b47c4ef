import type { DeltaFrame, EndFrame, GenerationItem, Item, MessageItem } from '@sluice/protocol';
import { Bench } from './fake-transport.ts';
import type { FakeTransport } from './fake-transport.ts';

export const ids = { session: 's', generation: 'g' };
export const delta = (from: number, seq: number, text: string, epoch = 0): DeltaFrame => ({
  type: 'delta',
  ...ids,
  epoch,
  from,
  seq,
  text,
  at: 0,
});
export const end = (seq: number, fields: Partial<EndFrame> = {}): EndFrame => ({
  type: 'end',
  ...ids,
  epoch: 0,
  seq,
  reason: 'stop',
  ...fields,
});
export const item = (rev: number, fields: Partial<GenerationItem> = {}): GenerationItem => ({
  id: 'g',
  kind: 'generation',
  rev,
  user: 'ann',
  createdAt: 0,
  model: 'm',
  input: 'hi',
  governor: 'fastest',
  status: 'running',
  attempt: 1,
  epoch: 0,
  seq: 0,
  ...fields,
});
export const line = (id: string, rev: number): MessageItem => ({
  id,
  kind: 'message',
  rev,
  user: 'bob',
  createdAt: 0,
  text: id,
});

/** A live client with session `s` subscribed. */
export const attached = async (
  items: readonly Item[] = [],
  rev = 0,
): Promise<{ bench: Bench; transport: FakeTransport }> => {
  const bench = new Bench();
  void bench.client.session('s').subscribe();
  const transport = await bench.goLive();
  transport.deliver({ type: 'subscribed', session: 's', rev, viewers: 2, items });
  return { bench, transport };
};
