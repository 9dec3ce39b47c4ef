import type { Item } from '@sluice/client';

type Generation = Extract<Item, { readonly kind: 'generation' }>;

/** What a person said; the beginning of it where the rest is too large for a list. */
export const saidIn = (item: Item): string =>
  item.kind === 'message'
    ? item.text + (item.bodies?.message ? '…' : '')
    : item.input + (item.bodies?.input ? '…' : '');

/** What the model said to that; the beginning of it where the rest is too large for a list. */
export const answerIn = ({ text, preview }: Generation): string =>
  text ?? (preview === undefined ? '' : `${preview}…`);
