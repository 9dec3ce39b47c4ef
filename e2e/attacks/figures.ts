import { isLong } from './size.ts';

/** Percentile of times or sizes; 0 of none. */
export const nth = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;

/** Prints what an attack came to: in one line, so that runs can be compared. */
export const tell = (attack: string, figures: Readonly<Record<string, number | string>>): void => {
  const told = Object.entries(figures).map(([name, value]) => {
    const text = typeof value === 'number' ? String(Math.round(value * 10) / 10) : value;
    return `${name} ${text}`;
  });
  process.stdout.write(`attack: ${attack} (${isLong ? 'long' : 'small'}): ${told.join(', ')}\n`);
};
