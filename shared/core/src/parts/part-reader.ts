import type { Part, PartRef, TokenKind } from '@sluice/protocol';

/** A part while its pieces come. */
export type OpenPart = {
  readonly type: string;
  readonly id: string | undefined;
  /** of its data, so far */
  json: string;
};

export const openPart = ({ type = '', id }: PartRef): OpenPart => ({ type, id, json: '' });

/** Undefined: it was cut off before its end, or it is no JSON. */
export const closedPart = ({ type, id, json }: OpenPart): Part | undefined => {
  try {
    return { type, ...(id !== undefined && { id }), data: JSON.parse(json) as unknown };
  } catch {
    return undefined;
  }
};

/** New tokens of one kind, joined: what a `delta` frame says. */
export type Piece = { readonly text: string; readonly kind?: TokenKind; readonly part?: PartRef };

/** Joins the pieces of parts as deltas bring them. A part is whole once something else follows. */
export class PartReader {
  #index = 0;
  #open: OpenPart | undefined;

  /** @returns the part that ended with the delta before this one */
  push({ text, kind = 'text', part = { index: 0 } }: Piece): Part | undefined {
    const isSame = kind === 'part' && this.#open !== undefined && part.index === this.#index;
    const whole = isSame ? undefined : this.end();
    if (kind !== 'part') return whole;
    this.#index = part.index;
    this.#open ??= openPart(part);
    this.#open.json += text;
    return whole;
  }

  /** Nothing follows. @returns the last part, if it was open */
  end(): Part | undefined {
    const open = this.#open;
    this.#open = undefined;
    return open && closedPart(open);
  }
}
