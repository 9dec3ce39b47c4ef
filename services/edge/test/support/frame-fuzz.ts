import { badFields, goodFrames } from './hostile-values.ts';
import type { SeededRandom } from '@sluice/testkit';

type Json = Record<string, unknown>;

const SESSIONS = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6'];
const IDS = ['a', 'b', 'c', 'd', 'e', '__proto__', 'A-_9'];
const TYPES = Object.keys(goodFrames);

/** A value of any JSON type, some of them large or deep. */
const anyValue = (random: SeededRandom, depth = 3): unknown => {
  const kind = random.below(depth > 0 ? 10 : 7);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind === 2) return random.pick([0, -0, 1, -1, 1.5, 1e308, -1e308, 2 ** 53, 5e-324]);
  if (kind === 3) return random.pick(['', '*', '>', '.', '\u0000', '\ud800', '\r\n', '__proto__', 'x']);
  if (kind === 4) return String.fromCharCode(...Array.from({ length: 8 }, () => random.below(0xffff)));
  if (kind === 5) return random.pick(IDS);
  if (kind === 6) return 'x'.repeat(random.below(200));
  const width = random.below(4);
  if (kind === 7) return Array.from({ length: width }, () => anyValue(random, depth - 1));
  const keys = Array.from({ length: width }, () => String(anyValue(random, 0)));
  return Object.fromEntries(keys.map((key) => [key, anyValue(random, depth - 1)]));
};

/** A good frame with good ids, then some of its fields replaced. */
const mutated = (random: SeededRandom): Json => {
  const type = random.pick(TYPES);
  const frame: Json = { ...goodFrames[type] };
  frame.session = random.pick(SESSIONS);
  for (const field of ['generation', 'message']) if (field in frame) frame[field] = random.pick(IDS);
  const bad = badFields[type] ?? {};
  while (random.chance(0.4)) {
    const field = random.pick(Object.keys(bad));
    if (random.chance(0.2)) delete frame[field];
    else frame[field] = random.chance(0.5) ? random.pick(bad[field] ?? []) : anyValue(random);
  }
  if (random.chance(0.1)) frame[String(anyValue(random, 0))] = anyValue(random);
  return frame;
};

/** Bytes of a good frame, a few of them changed, cut or doubled. */
const garbled = (random: SeededRandom): string => {
  const text = JSON.stringify(mutated(random));
  const at = random.below(text.length);
  const change = random.below(4);
  if (change === 0) return text.slice(0, at);
  if (change === 1) return text + text;
  if (change === 2) return `${text.slice(0, at)}${String(anyValue(random, 0))}${text.slice(at)}`;
  return JSON.stringify(anyValue(random)) ?? '';
};

/** Text of one hostile frame; `id` is in it where that is possible. Most are of a known type. */
export const fuzzFrame = (random: SeededRandom, id: string): string =>
  random.chance(0.005) ? garbled(random) : JSON.stringify({ ...mutated(random), id });
