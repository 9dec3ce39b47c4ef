import type { Item } from '@sluice/client';
import { stdoutColours as pc } from './colours.ts';
import type { Part } from './painted.ts';

type Generation = Extract<Item, { readonly kind: 'generation' }>;

/** Who says what follows. */
export const speaker = (user: string): readonly Part[] => [
  { text: user, paint: (text) => pc.bold(pc.cyan(text)) },
  ' ',
  { text: '›', paint: pc.dim },
  ' ',
];

/** What a person said; the beginning of it where the rest is too large for a list. */
export const saidIn = (item: Item): string =>
  item.kind === 'message'
    ? item.text + (item.bodies?.message ? '…' : '')
    : item.input + (item.bodies?.input ? '…' : '');

/** What the model said to that; the beginning of it where the rest is too large for a list. */
export const answerIn = ({ text, refusal = '', preview }: Generation): string =>
  preview === undefined ? (text ?? '') + refusal : `${preview}…`;
