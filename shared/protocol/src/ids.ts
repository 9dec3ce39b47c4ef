/**
 * Identifiers. Every id that can reach a NATS subject is checked here, once, at the border, and is a
 * branded string from then on: code that holds a `SessionId` holds one that is safe in a subject.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Customer boundary. Comes from the verified token only, never from a frame. */
export type Org = Branded<'Org'>;
export type SessionId = Branded<'SessionId'>;
/** The client's own id of a generation (usually a UUID); naming it twice names the same generation. */
export type GenerationId = Branded<'GenerationId'>;
/** Id of an item: a generation's id or a message's id. */
export type ItemId = Branded<'ItemId'> | GenerationId;

export type SessionKey = { readonly org: Org; readonly session: SessionId };
export type GenerationKey = SessionKey & { readonly generation: GenerationId };

/** 1-64 of letters, digits, `_` and `-`: no subject separators, wildcards, spaces or control characters. */
export const ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

export const isId = (value: unknown): value is string => typeof value === 'string' && ID_PATTERN.test(value);

export class InvalidIdError extends TypeError {
  readonly code = 'invalid_id';

  constructor(what: string, value: unknown) {
    super(`${what}: expected 1-64 characters of A-Z a-z 0-9 _ -, got ${describe(value)}`);
  }
}

// The value itself is not echoed: ids can carry customer data, and this message reaches logs.
const describe = (value: unknown): string =>
  typeof value === 'string' ? `a string of ${value.length} characters` : `a value of type ${typeof value}`;

// Marked for bundlers: a page that only asks `isId` carries none of the parsers.
const parser = /* @__NO_SIDE_EFFECTS__ */ <Id extends string>(what: string) =>
  (value: unknown): Id => {
    if (!isId(value)) throw new InvalidIdError(what, value);
    return value as Id;
  };

/** Each throws {@link InvalidIdError} unless the value matches {@link ID_PATTERN}. */
export const parseOrg = parser<Org>('org');
export const parseSessionId = parser<SessionId>('session');
export const parseGenerationId = parser<GenerationId>('generation');
export const parseItemId = parser<ItemId>('item');
