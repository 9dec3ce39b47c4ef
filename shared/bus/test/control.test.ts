import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ControlAck, PresenceMessage, SessionKey } from '@sluice/protocol';
import { Queue } from '@sluice/testkit';
import type { Bus, ControlListener, StatsAsk, Subscription } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const ackOf = (seq: number): ControlAck => ({ type: 'ack', edge: 'e', epoch: 0, seq, viewers: 2 });

const listenerOf = (acks: Queue<ControlAck>, users: string[] = []): ControlListener => ({
  ack: (ack) => acks.push(ack),
  cancel: (user) => {
    users.push(user);
    return { type: 'cancelling', attempt: 3 };
  },
});

const hear = (bus: Bus, key: SessionKey, heard: Queue<PresenceMessage>): Promise<Subscription> =>
  bus.tokens.tail(key, {
    record: () => undefined,
    item: () => undefined,
    presence: (message) => heard.push(message),
  });

describe.each(backends)('Control and Presence on $name', ({ start }) => {
  let world: World;
  let worker: Bus;
  let edge: Bus;
  beforeAll(async () => {
    world = await start();
    [worker, edge] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  test('acks reach the worker that runs the generation, in order', async () => {
    const key = newKey();
    const acks = new Queue<ControlAck>();
    const serving = await worker.control.serve(key, listenerOf(acks));
    for (let seq = 1; seq <= 50; seq += 1) edge.control.ack(key, ackOf(seq));
    for (let seq = 1; seq <= 50; seq += 1) expect(await acks.next()).toEqual(ackOf(seq));
    serving.close();
  });

  test('acks of other generations, sessions and orgs do not', async () => {
    const key = newKey();
    const acks = new Queue<ControlAck>();
    const serving = await worker.control.serve(key, listenerOf(acks));
    const strange = newKey();
    for (const part of ['org', 'session', 'generation'] as const)
      edge.control.ack({ ...key, [part]: strange[part] }, ackOf(1));
    edge.control.ack(key, ackOf(2));
    expect(await acks.next()).toEqual(ackOf(2));
    expect(acks.size).toBe(0);
    serving.close();
  });

  test('a cancel is answered by the worker, which learns who asked', async () => {
    const key = newKey();
    const users: string[] = [];
    const serving = await worker.control.serve(key, listenerOf(new Queue(), users));
    expect(await edge.control.cancel(key, 'alice')).toEqual({ type: 'cancelling', attempt: 3 });
    expect(await worker.control.cancel(key, 'bob')).toEqual({ type: 'cancelling', attempt: 3 });
    expect(users).toEqual(['alice', 'bob']);
    serving.close();
  });

  test('whoever has figures hears that they are wanted, until it listens no more', async () => {
    const { org, session } = newKey();
    const asks = new Queue<StatsAsk>();
    const listening = await worker.stats.onAsk((ask) => asks.push(ask));
    const ask: StatsAsk = { key: { org, session }, isNew: true };
    edge.stats.ask(ask);
    expect(await asks.next()).toEqual(ask);
    listening.close();
    edge.stats.ask(ask);
    await edge.control.cancel(newKey(), 'alice');
    expect(asks.size).toBe(0);
  });

  test('a cancel of a generation that nobody runs is answered at once with nothing', async () => {
    // A wait for an answer would have ended with BusUnavailableError.
    expect(await edge.control.cancel(newKey(), 'alice')).toBeUndefined();
  });

  test('a worker that stopped serving gets nothing, and a cancel that crosses with it fails fast', async () => {
    const acks = new Queue<ControlAck>();
    for (let round = 0; round < 20; round += 1) {
      const key = newKey();
      const serving = await worker.control.serve(key, listenerOf(acks));
      serving.close();
      serving.close();
      edge.control.ack(key, ackOf(1));
      expect(await edge.control.cancel(key, 'alice')).toBeUndefined();
    }
    expect(acks.size).toBe(0);
  });

  test('presence reaches every edge of the session, and no other session', async () => {
    const key = newKey();
    const [here, there, elsewhere] = [
      new Queue<PresenceMessage>(),
      new Queue<PresenceMessage>(),
      new Queue<PresenceMessage>(),
    ];
    const subscriptions = [
      await hear(edge, key, here),
      await hear(worker, key, there),
      await hear(worker, { ...key, org: newKey().org }, elsewhere),
    ];
    const join = { type: 'join', edge: 'e', user: 'u', connection: 'c' } as const;
    edge.presence.publish(key, join);
    expect(await there.next()).toEqual(join);
    expect(await here.next()).toEqual(join);
    expect(elsewhere.size).toBe(0);
    for (const subscription of subscriptions) subscription.close();
  });

  test('presence that is closed hears nothing more', async () => {
    const key = newKey();
    const [closed, open] = [new Queue<PresenceMessage>(), new Queue<PresenceMessage>()];
    const first = await hear(edge, key, closed);
    const second = await hear(edge, key, open);
    const signal = (data: number): PresenceMessage => ({ type: 'signal', user: 'u', connection: 'c', data });
    edge.presence.publish(key, signal(1));
    await closed.next();
    first.close();
    edge.presence.publish(key, signal(2));
    expect(await open.takeUntil((message) => message.type === 'signal' && message.data === 2)).toHaveLength(
      2,
    );
    expect(closed.size).toBe(0);
    second.close();
  });
});
