import { randomUUID } from 'node:crypto';
import type { MarkedToken } from '@sluice/protocol';
import type { AnswerParts } from './answer-parts.ts';
import { fieldOf, textIn } from './fields.ts';

/** One call as the server has told of it until now. */
type Call = {
  /** ours: in order of arrival, from 0 */
  readonly number: number;
  /** what it is known by: clients send its result back under that */
  readonly ownId: string;
  /** the server's; undefined while it gave none */
  index: number | undefined;
  id: string | undefined;
  name: string | undefined;
  arguments: string;
};

/** A piece of a call as servers write it. */
type Piece = Pick<Call, 'index' | 'id' | 'name' | 'arguments'> & {
  /** what else the server wrote beside it, and wants back with the call */
  readonly fields: object | undefined;
};

/**
 * Tells the tool calls of one answer apart and numbers them. Servers disagree about how: the index is 0 for all, missing or
 * out of order; the id comes with each piece, with the first, late or never; the arguments are text in pieces, whole, or
 * an object. What is told on always has one number per call, and an id and a name with its first piece.
 */
export class ToolCalls {
  readonly #parts: AnswerParts;
  readonly #calls: Call[] = [];
  /** the one that the newest piece belonged to */
  #newest: Call | undefined;

  /** @param parts where what belongs to a call beside its arguments is written */
  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#calls.length;
  }

  /** The entries of a delta's `tool_calls`; of an older server, its `function_call`. */
  tokensOf(delta: object): readonly MarkedToken[] {
    const entries = fieldOf(delta, 'tool_calls');
    const older = fieldOf(delta, 'function_call');
    const pieces = Array.isArray(entries) ? entries.map(pieceOf) : [];
    if (typeof older === 'object' && older !== null) pieces.push(pieceOf({ function: older }));
    const tokens: MarkedToken[] = [];
    let before: Call | undefined;
    for (const piece of pieces) {
      if (isEmpty(piece)) continue;
      const found = this.#find(piece, before);
      before = found ?? this.#begin(piece);
      this.#newest = before;
      const isFirst = found === undefined;
      const isNamed = before.name === undefined && piece.name !== undefined;
      // Before its first piece: some clients look for signatures nowhere else.
      if (piece.fields !== undefined)
        tokens.push(...this.#parts.part('call_fields', piece.fields, before.ownId));
      if (!isFirst) continueWith(before, piece);
      if (!isFirst && !isNamed && piece.arguments === '') continue;
      tokens.push(tokenOf(before, piece, { isFirst, isNamed }));
    }
    return tokens;
  }

  /**
   * The call that a piece goes on with; undefined: it begins one.
   * @param before the call of the entry before it in the same delta
   */
  #find(piece: Piece, before: Call | undefined): Call | undefined {
    const known = piece.id === undefined ? undefined : this.#calls.findLast(({ id }) => id === piece.id);
    if (known !== undefined) return goesOn(known, piece) ? known : undefined;
    const sameIndex = this.#calls.findLast(({ index }) => index === piece.index);
    const last = piece.index === undefined ? this.#newest : sameIndex;
    if (last === undefined || !goesOn(last, piece)) return undefined;
    // Another id is another call, unless this one had none yet.
    if (piece.id !== undefined && last.id !== undefined) return undefined;
    // Entries of one delta without an index are calls of their own.
    return piece.index === undefined && last === before ? undefined : last;
  }

  #begin(piece: Piece): Call {
    const isTaken = this.#calls.some(({ id }) => id === piece.id);
    const ownId = piece.id === undefined || isTaken ? newId() : piece.id;
    const { fields: _fields, ...known } = piece;
    const call = { ...known, number: this.#calls.length, ownId };
    this.#calls.push(call);
    return call;
  }
}

/** Some servers repeat id and name with every piece, others give every call the same ones. */
const goesOn = (call: Call, { index, name, arguments: text }: Piece): boolean => {
  if (name === undefined || call.name === undefined) return true;
  if (name !== call.name) return false;
  if (index !== undefined && call.index !== undefined && index !== call.index) return false;
  return text.trim() === '' || !isWhole(call.arguments);
};

/** Whether the arguments are one complete JSON object, so that nothing can follow. */
const isWhole = (text: string): boolean => {
  if (!text.trimEnd().endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const continueWith = (call: Call, piece: Piece): void => {
  call.id ??= piece.id;
  call.name ??= piece.name;
  call.arguments += piece.arguments;
};

const tokenOf = (
  { number, ownId, name }: Call,
  piece: Piece,
  { isFirst, isNamed }: { readonly isFirst: boolean; readonly isNamed: boolean },
): MarkedToken => ({
  kind: 'tool_call',
  text: piece.arguments,
  tool: {
    index: number,
    ...(isFirst ? { id: ownId } : {}),
    ...((isFirst || isNamed) && name !== undefined ? { name } : {}),
  },
});

/** As OpenAI's look. */
const newId = (): string => `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;

const KNOWN_FIELDS: ReadonlySet<string> = new Set(['index', 'id', 'type', 'function']);

const otherFieldsOf = (entry: unknown): object | undefined => {
  const fields = Object.entries(typeof entry === 'object' && entry !== null ? entry : {}).filter(
    ([name, value]) => !KNOWN_FIELDS.has(name) && value !== null && value !== '',
  );
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
};

const pieceOf = (entry: unknown): Piece => {
  const called = fieldOf(entry, 'function');
  const given = fieldOf(called, 'arguments');
  const index = fieldOf(entry, 'index');
  const isObject = typeof given === 'object' && given !== null;
  return {
    index: typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? index : undefined,
    id: textIn(entry, 'id'),
    name: textIn(called, 'name'),
    arguments: isObject ? JSON.stringify(given) : typeof given === 'string' ? given : '',
    fields: otherFieldsOf(entry),
  };
};

const isEmpty = ({ id, name, arguments: text, fields }: Piece): boolean =>
  id === undefined && name === undefined && text === '' && fields === undefined;
