import { plain } from './plain.ts';

export type Paint = (text: string) => string;

/** Text of whatever origin, as it is or painted. */
export type Part = string | { readonly text: string; readonly paint: Paint };

/** Parts as a terminal may get them: harmless, and with no colours but ours. */
export const painted = (...parts: readonly Part[]): string =>
  parts.map((part) => (typeof part === 'string' ? plain(part) : part.paint(plain(part.text)))).join('');
