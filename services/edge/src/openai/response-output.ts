import type { DeltaFrame, GenerationItem, TokenKind } from '@sluice/protocol';
import { callShapesOf, inputOfArguments } from './input/response-tools.ts';
import type { CallShape } from './input/response-tools.ts';
import type { ResponseNote } from './response-request.ts';

/** One entry of a response's output while it grows: what was said in one go, thought, or one call. */
export type OutputEntry = {
  readonly id: string;
  readonly kind: TokenKind;
  /** place in the output */
  readonly index: number;
  /** of a call: which one of the log's */
  readonly call: number | undefined;
  readonly callId: string;
  /** what the call is to the client */
  readonly shape: CallShape;
  text: string;
};

export type OutputPiece = Pick<DeltaFrame, 'text' | 'tool'> & { readonly kind?: TokenKind };

const PREFIX_OF: Readonly<Record<TokenKind, string>> = { text: 'msg', reasoning: 'rs', tool_call: 'fc' };

/** Names the response, so that an entry can be found again by its id alone. */
const entryIdOf = (prefix: string, response: string, index: number): string =>
  `${prefix}_${response}_${index}`;

/** The response that an entry is of; undefined: the id is none that was given here. */
export const responseOfEntry = (id: string): string | undefined =>
  /^(?:msg|rs|fc|ctc)_(.+)_\d+$/.exec(id)?.[1];

/**
 * The output of a response, made of its tokens in order. What it comes to depends on the tokens alone, not on
 * how they were cut into pieces.
 */
export class ResponseOutput {
  readonly #response: string;
  readonly #shapes: ReadonlyMap<string, CallShape>;
  readonly #entries: OutputEntry[] = [];
  #last: OutputEntry | undefined;

  constructor({ id, note }: { readonly id: string; readonly note: ResponseNote }) {
    this.#response = id;
    this.#shapes = callShapesOf(note.tools ?? []);
  }

  get entries(): readonly OutputEntry[] {
    return this.#entries;
  }

  /** The entry that the newest piece belongs to. */
  get last(): OutputEntry | undefined {
    return this.#last;
  }

  /** Adds a piece. @returns its entry, and whether that began with it */
  push({ kind = 'text', text, tool }: OutputPiece): { readonly entry: OutputEntry; readonly isNew: boolean } {
    const call = kind === 'tool_call' ? (tool?.index ?? 0) : undefined;
    const known = this.#known(kind, call);
    const entry = known ?? this.#open(kind, call, tool);
    entry.text += text;
    this.#last = entry;
    return { entry, isNew: known === undefined };
  }

  /** Text goes on where the last was text; a call may be taken up again, since it is named by its number. */
  #known(kind: TokenKind, call: number | undefined): OutputEntry | undefined {
    if (call !== undefined) return this.#entries.find((entry) => entry.call === call);
    return this.#last?.kind === kind ? this.#last : undefined;
  }

  #open(kind: TokenKind, call: number | undefined, tool: OutputPiece['tool']): OutputEntry {
    const index = this.#entries.length;
    const name = tool?.name ?? '';
    const shape = this.#shapes.get(name) ?? { type: 'function', name };
    const id = entryIdOf(shape.type === 'custom' ? 'ctc' : PREFIX_OF[kind], this.#response, index);
    const entry = { id, kind, index, call, callId: tool?.id ?? id, shape, text: '' };
    this.#entries.push(entry);
    return entry;
  }
}

export type OutputStatus = 'in_progress' | 'completed' | 'incomplete';

type OutputItem = { readonly type: string; readonly [field: string]: unknown };

/** An entry in OpenAI's words. @param text default all that it has */
export const outputItemOf = (entry: OutputEntry, status: OutputStatus, text = entry.text): OutputItem => {
  const { id, kind } = entry;
  if (kind === 'tool_call') return callItemOf(entry, status, text);
  const content = status === 'in_progress' ? [] : [contentOf(entry, text)];
  if (kind === 'reasoning') return { type: 'reasoning', id, summary: [], content, status };
  return { type: 'message', id, role: 'assistant', content, status };
};

const callItemOf = ({ id, callId, shape }: OutputEntry, status: OutputStatus, text: string): OutputItem => {
  const { type, ...named } = shape;
  const call = { id, call_id: callId, ...named, status };
  return type === 'custom'
    ? { type: 'custom_tool_call', ...call, input: inputOfArguments(text) }
    : { type: 'function_call', ...call, arguments: text };
};

/** What a message or a thought holds. */
export const contentOf = ({ kind }: Pick<OutputEntry, 'kind'>, text: string): object =>
  kind === 'reasoning'
    ? { type: 'reasoning_text', text }
    : { type: 'output_text', text, annotations: [], logprobs: [] };

/** The text of a finished item in pieces: thoughts first, calls last. */
export const piecesOfItem = ({
  reasoning,
  text = '',
  toolCalls = [],
}: Partial<GenerationItem>): OutputPiece[] => [
  ...(reasoning === undefined ? [] : [{ kind: 'reasoning', text: reasoning } as const]),
  ...(text === '' ? [] : [{ text }]),
  ...toolCalls.map(
    ({ id, name, arguments: json }, index) =>
      ({ kind: 'tool_call', text: json, tool: { index, id, name } }) as const,
  ),
];
