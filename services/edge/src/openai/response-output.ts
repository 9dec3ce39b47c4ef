import { knownPartOf, PartReader } from '@sluice/core/parts';
import type { DeltaFrame, GenerationItem, Part, TokenKind } from '@sluice/protocol';
import { callShapesOf, inputOfArguments } from './input/response-tools.ts';
import type { CallShape } from './input/response-tools.ts';
import type { ResponseNote } from './response-request.ts';
import { callFieldsOf, encryptedContentOf } from './server-fields.ts';

/** `summary`: a thought, told to a client that asked for summaries. */
type EntryKind = Exclude<TokenKind, 'part'> | 'image' | 'summary';
type Fields = Readonly<Record<string, unknown>>;

/** One entry of a response's output while it grows: what was said in one go, thought, or one call. */
export type OutputEntry = {
  readonly id: string;
  readonly kind: EntryKind;
  /** place in the output */
  readonly index: number;
  /** of a call: which one of the log's */
  readonly call: number | undefined;
  readonly callId: string;
  /** what the call is to the client */
  readonly shape: CallShape;
  /** of an image: its address */
  text: string;
  /** sources of a text */
  readonly annotations: Fields[];
  /** what the model's server wants back with it */
  fields: Fields;
};

export type OutputPiece = Pick<DeltaFrame, 'text' | 'tool' | 'part'> & { readonly kind?: TokenKind };

/** Something became of an entry. */
export type Change =
  | { readonly type: 'opened' | 'said' | 'closed'; readonly entry: OutputEntry }
  | { readonly type: 'annotated'; readonly entry: OutputEntry; readonly annotation: Fields };

/** What a piece changes, in order. */
export type Changes = {
  /** by the part that was whole before it */
  readonly before: readonly Change[];
  readonly own: readonly Change[];
};

const PREFIX_OF: Readonly<Record<EntryKind, string>> = {
  ...{ text: 'msg', refusal: 'msg', reasoning: 'rs', summary: 'rs', tool_call: 'fc', image: 'ig' },
};

/** Names the response, so that an entry can be found again by its id alone. */
const entryIdOf = (prefix: string, response: string, index: number): string =>
  `${prefix}_${response}_${index}`;

/** The response that an entry is of; undefined: the id is none that was given here. */
export const responseOfEntry = (id: string): string | undefined =>
  /^(?:msg|rs|fc|ctc|ig)_(.+)_\d+$/.exec(id)?.[1];

/**
 * The output of a response, made of its tokens in order. What it comes to depends on the tokens alone, not on
 * how they were cut into pieces.
 */
export class ResponseOutput {
  readonly #response: string;
  readonly #shapes: ReadonlyMap<string, CallShape>;
  readonly #thoughts: 'reasoning' | 'summary';
  readonly #entries: OutputEntry[] = [];
  readonly #parts = new PartReader();
  /** of calls that have not begun, by their id */
  readonly #early = new Map<string, Fields>();
  #last: OutputEntry | undefined;

  constructor({ id, note }: { readonly id: string; readonly note: ResponseNote }) {
    this.#response = id;
    this.#shapes = callShapesOf(note.tools ?? []);
    // Engines give what a model thinks, and no summary of it: who asks for one gets that.
    this.#thoughts = typeof note.reasoning?.summary === 'string' ? 'summary' : 'reasoning';
  }

  get entries(): readonly OutputEntry[] {
    return this.#entries;
  }

  /** Adds a piece. A part counts once something follows it. */
  push(piece: OutputPiece): Changes {
    const { kind = 'text', text, tool } = piece;
    const before = this.#take(this.#parts.push(piece));
    if (kind === 'part') return { before, own: [] };
    const call = kind === 'tool_call' ? (tool?.index ?? 0) : undefined;
    const { entry, changes } = this.#entryOf(kind === 'reasoning' ? this.#thoughts : kind, call, tool);
    entry.text += text;
    return { before, own: text === '' ? changes : [...changes, { type: 'said', entry }] };
  }

  /** Nothing follows: what is open is closed. Calls are open until now, since their pieces may come in turns. */
  end(): Changes {
    const before = this.#take(this.#parts.end());
    const open = this.#entries.filter((entry) => entry === this.#last || entry.kind === 'tool_call');
    return { before, own: open.map((entry) => ({ type: 'closed', entry })) };
  }

  /** Text goes on where the last was text; a call may be taken up again, since it is named by its number. */
  #entryOf(kind: EntryKind, call?: number, tool?: OutputPiece['tool']): Reached {
    const last = this.#last;
    const isKnown = ({ kind: other, call: otherCall }: OutputEntry): boolean =>
      call === undefined ? false : other === kind && otherCall === call;
    const known = last?.kind === kind && call === undefined ? last : this.#entries.find(isKnown);
    const entry = known ?? this.#open(kind, call, tool);
    this.#last = entry;
    const isOver = last !== undefined && last !== entry && last.kind !== 'tool_call';
    const changes: Change[] = isOver ? [{ type: 'closed', entry: last }] : [];
    if (known === undefined) changes.push({ type: 'opened', entry });
    return { entry, changes };
  }

  #open(kind: EntryKind, call?: number, tool?: OutputPiece['tool']): OutputEntry {
    const index = this.#entries.length;
    const name = tool?.name ?? '';
    const shape = this.#shapes.get(name) ?? { type: 'function', name };
    const id = entryIdOf(shape.type === 'custom' ? 'ctc' : PREFIX_OF[kind], this.#response, index);
    const callId = tool?.id ?? id;
    const fields = this.#early.get(callId) ?? {};
    const named = { id, kind, index, call, callId, shape };
    const entry: OutputEntry = { ...named, text: '', annotations: [], fields };
    this.#entries.push(entry);
    return entry;
  }

  #take(part: Part | undefined): Change[] {
    const known = part && knownPartOf(part);
    switch (known?.type) {
      case 'annotation':
        return this.#annotate(annotationOf(known.annotation));
      case 'image':
        return this.#show(known.url);
      case 'reasoning_fields':
        return this.#seal(known.fields);
      case 'call_fields':
        this.#addCallFields(known.callId, known.fields);
        return [];
      default:
        // Responses have no place for it; the item has.
        return [];
    }
  }

  /** A source belongs to the newest text, also where a call came between them. */
  #annotate(annotation: Fields): Change[] {
    const text = this.#entries.findLast(({ kind }) => kind === 'text');
    const { entry, changes } = text === undefined ? this.#entryOf('text') : { entry: text, changes: [] };
    entry.annotations.push(annotation);
    return [...changes, { type: 'annotated', entry, annotation }];
  }

  #show(url: string): Change[] {
    const last = this.#last;
    const entry = this.#open('image');
    entry.text = url;
    this.#last = entry;
    const isOver = last !== undefined && last.kind !== 'tool_call';
    return [...(isOver ? [{ type: 'closed', entry: last } as const] : []), { type: 'opened', entry }];
  }

  /** It belongs to the newest thought, also where the answer has begun since. */
  #seal(fields: Fields): Change[] {
    const thought = this.#entries.findLast(({ kind }) => kind === this.#thoughts);
    const { entry, changes } =
      thought === undefined ? this.#entryOf(this.#thoughts) : { entry: thought, changes: [] };
    entry.fields = { ...entry.fields, ...fields };
    return changes;
  }

  #addCallFields(callId: string, fields: Fields): void {
    const entry = this.#entries.find((each) => each.kind === 'tool_call' && each.callId === callId);
    if (entry !== undefined) entry.fields = { ...entry.fields, ...fields };
    else this.#early.set(callId, { ...this.#early.get(callId), ...fields });
  }
}

/** An entry, and what had to change for it to be the last one. */
type Reached = { readonly entry: OutputEntry; readonly changes: Change[] };

export type OutputStatus = 'in_progress' | 'completed' | 'incomplete';

type OutputItem = { readonly type: string; readonly [field: string]: unknown };

/** An entry in OpenAI's words. @param text default all that it has */
export const outputItemOf = (entry: OutputEntry, status: OutputStatus, text = entry.text): OutputItem => {
  const { id, kind, fields } = entry;
  if (kind === 'tool_call') return callItemOf(entry, status, text);
  if (kind === 'image') return { type: 'image_generation_call', id, status, ...imageResultOf(text) };
  const content = status === 'in_progress' ? [] : [contentOf(entry, text)];
  if (kind === 'reasoning')
    return { type: 'reasoning', id, summary: [], content, ...encryptedContentOf(fields), status };
  if (kind === 'summary')
    return { type: 'reasoning', id, summary: content, ...encryptedContentOf(fields), status };
  return { type: 'message', id, role: 'assistant', content, status };
};

const callItemOf = (entry: OutputEntry, status: OutputStatus, text: string): OutputItem => {
  const { id, callId, shape, fields } = entry;
  const { type, ...named } = shape;
  const call = { id, call_id: callId, ...named, status, ...callFieldsOf(fields) };
  return type === 'custom'
    ? { type: 'custom_tool_call', ...call, input: inputOfArguments(text) }
    : { type: 'function_call', ...call, arguments: text };
};

/** What a message or a thought holds. */
export const contentOf = ({ kind, annotations }: OutputEntry, text: string): object => {
  if (kind === 'reasoning') return { type: 'reasoning_text', text };
  if (kind === 'summary') return { type: 'summary_text', text };
  if (kind === 'refusal') return { type: 'refusal', refusal: text };
  return { type: 'output_text', text, annotations, logprobs: [] };
};

/** Responses have an image as its bytes; one that has an address is told by that. */
const imageResultOf = (url: string): object => {
  const [, base64] = /^data:[^,]*;base64,(.*)$/s.exec(url) ?? [];
  return base64 === undefined ? { result: null, image_url: url } : { result: base64 };
};

/** Chat completions put a citation in a field of its own. */
const annotationOf = (annotation: Fields): Fields => {
  const { url_citation: cited, ...rest } = annotation;
  return typeof cited === 'object' && cited !== null ? { ...rest, ...cited } : annotation;
};

/** A finished item in pieces: thoughts and what seals them first, then the text, calls last but for what is shown. */
export const piecesOfItem = ({
  reasoning,
  text = '',
  refusal,
  toolCalls = [],
  parts = [],
}: Partial<GenerationItem>): OutputPiece[] => {
  const pieces = parts.map(
    ({ data, ...named }, index) =>
      ({ kind: 'part', text: JSON.stringify(data), part: { index, ...named } }) as const,
  );
  return [
    ...(reasoning === undefined ? [] : [{ kind: 'reasoning', text: reasoning } as const]),
    ...pieces.filter(({ part }) => part.type === 'reasoning_fields'),
    ...(text === '' ? [] : [{ text }]),
    ...(refusal === undefined ? [] : [{ kind: 'refusal', text: refusal } as const]),
    ...toolCalls.map(
      ({ id, name, arguments: json }, index) =>
        ({ kind: 'tool_call', text: json, tool: { index, id, name } }) as const,
    ),
    ...pieces.filter(({ part }) => part.type !== 'reasoning_fields'),
  ];
};
