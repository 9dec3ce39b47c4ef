/** Smaller pieces are joined, characters: each is a write of its own. */
const MIN_PIECE_CHARS = 16 * 1024;
/** Longer strings are cut, characters: a large piece is a large copy, for each request that waits for its socket. */
const MAX_PART_CHARS = 32 * 1024;

type Fields = Readonly<Record<string, unknown>>;

/**
 * The JSON of a request in pieces. A conversation may have megabytes, and one text of it all would be kept, beside its
 * messages, for as long as the upstream thinks.
 */
export function* jsonPieces(body: Fields): Generator<string> {
  let piece = '';
  for (const part of partsOf(body)) {
    piece += part;
    if (piece.length < MIN_PIECE_CHARS) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

function* partsOf(value: unknown): Generator<string> {
  if (typeof value === 'string' && value.length > MAX_PART_CHARS) yield* stringParts(value);
  else if (Array.isArray(value)) {
    yield '[';
    for (const [index, each] of value.entries()) {
      if (index > 0) yield ',';
      yield* partsOf(each);
    }
    yield ']';
  } else if (typeof value === 'object' && value !== null) {
    yield '{';
    for (const [index, [field, each]] of fieldsOf(value).entries()) {
      yield `${index > 0 ? ',' : ''}${JSON.stringify(field)}:`;
      yield* partsOf(each);
    }
    yield '}';
  } else yield jsonOf(value);
}

/** Not cut between the two halves of a character. */
function* stringParts(text: string): Generator<string> {
  yield '"';
  for (let from = 0; from < text.length;) {
    const end = from + MAX_PART_CHARS;
    const to = (text.codePointAt(end - 1) ?? 0) > 0xffff ? end - 1 : end;
    yield JSON.stringify(text.slice(from, to)).slice(1, -1);
    from = to;
  }
  yield '"';
}

/** Requests of one session hold the same messages, which are not changed. */
const known = new WeakMap<object, number>();

/** How many bytes that is. */
export const jsonBytes = (body: Fields): number =>
  listBytes(
    fieldsOf(body).map(([field, value]) => {
      const bytes = Array.isArray(value) ? listBytes(value.map(elementBytes)) : bytesOf(value);
      return bytesOf(field) + 1 + bytes;
    }),
  );

const listBytes = (bytes: readonly number[]): number =>
  2 + Math.max(0, bytes.length - 1) + bytes.reduce((sum, each) => sum + each, 0);

const elementBytes = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return bytesOf(value);
  const bytes = known.get(value) ?? bytesOf(value);
  known.set(value, bytes);
  return bytes;
};

const bytesOf = (value: unknown): number => Buffer.byteLength(jsonOf(value));

const jsonOf = (value: unknown): string => JSON.stringify(value) ?? 'null';

const fieldsOf = (value: object): [string, unknown][] =>
  Object.entries(value).filter(([, each]) => each !== undefined);
