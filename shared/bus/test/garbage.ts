import { expect } from '@jest/globals';
import { Queue } from '@sluice/testkit';
import type { Bus, ForeignKind, ForeignMessage } from '../src/index.ts';
import type { World } from './world.ts';

export const deep = `${'['.repeat(10_000)}1${']'.repeat(10_000)}`;
/** No kind of message has one of these shapes. */
export const GARBAGE: readonly string[] = [
  ...['', 'no JSON', '{}', '[]', '[{}]', 'null', '7', 'true', '"running"', '\ufffd\u0000'],
  ...['{"__proto__":{"type":"sync","state":"paused","worker":"w","running":[]}}', 'x'.repeat(900_000), deep],
  ...[
    '{"type":"ack","edge":1}',
    '{"type":"signal","user":"u"}',
    '{"type":"viewers","edge":"e","viewers":[7]}',
  ],
  `{"type":"signal","user":"u","connection":"c","data":${deep}}`,
];

/** Two buses on one store, and the messages that the first of them tells as foreign. */
export type BorderScene = {
  readonly world: World;
  readonly bus: Bus;
  readonly other: Bus;
  readonly foreign: Queue<ForeignMessage>;
};

export const openBorder = async (start: () => Promise<World>): Promise<BorderScene> => {
  const world = await start();
  const [bus, other] = await Promise.all([world.open(), world.open()]);
  const foreign = new Queue<ForeignMessage>('a message that is told as foreign');
  bus.border.onForeign((message) => foreign.push(message));
  return { world, bus, other, foreign };
};

/** One subject for all garbage, or one for each piece. */
export type GarbageSubject = string | ((n: number) => string);

/** Publishes every piece of garbage: each is told as this kind, without its content. */
export const expectGarbageForeign = async (
  { world, foreign }: Pick<BorderScene, 'world' | 'foreign'>,
  kind: ForeignKind,
  subject: GarbageSubject,
): Promise<void> => {
  for (const [n, text] of GARBAGE.entries()) {
    await world.publish(typeof subject === 'string' ? subject : subject(n), text);
    const told = await foreign.next();
    expect(told.kind).toBe(kind);
    expect(told.reason).not.toContain('xxx');
    expect(told.reason.length).toBeLessThan(200);
  }
};
