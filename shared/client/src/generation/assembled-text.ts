import type {
  DeltaFrame,
  End,
  GenerationItem,
  PartRef,
  Position,
  TokenKind,
  ToolCall,
  ToolRef,
} from '@sluice/protocol';
import { ProtocolError } from '../errors.ts';

/**
 * New tokens of a generation: (from, seq] of `epoch`, joined. `kind` is `text` unless given. Another `epoch` than
 * before means that the text restarted from 0: throw away what was put together.
 */
export type Delta = Position & {
  readonly from: number;
  readonly text: string;
  readonly kind?: Exclude<TokenKind, 'text'>;
  readonly tool?: ToolRef;
  readonly part?: PartRef;
};

/** How and where a generation ended. */
export type GenerationEnd = End & Position;

/** What a finished item adds to a text: `restarted` when the text before it is void. */
export type Completion = { readonly restarted: boolean; readonly deltas: readonly Delta[] };

type Remainder = Pick<Delta, 'text' | 'kind' | 'tool' | 'part'>;

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/**
 * The text of one generation, put together from deltas that must tile (R1): each begins where the last one
 * ended. Anything else throws and changes nothing, so a position always describes the text that goes with it.
 */
export class AssembledText {
  #epoch = 0;
  #seq = 0;
  #text = '';
  #reasoning = '';
  /** how many parts have begun */
  #parts = 0;
  #calls = new Map<number, { id: string; name: string; arguments: string }>();

  get position(): Position {
    return { epoch: this.#epoch, seq: this.#seq };
  }

  get text(): string {
    return this.#text;
  }

  get reasoning(): string {
    return this.#reasoning;
  }

  /** In the order of their index; the arguments may be unfinished JSON until the end. */
  get toolCalls(): readonly ToolCall[] {
    return [...this.#calls].sort(([left], [right]) => left - right).map(([, call]) => ({ ...call }));
  }

  /** @throws ProtocolError when the delta does not continue this text exactly */
  apply(frame: DeltaFrame): Delta {
    const { epoch, from, seq } = frame;
    // Before the first token any epoch is news, not a contradiction: nothing is shown yet.
    const starts = this.#seq === 0 && from === 0;
    const continues = from === this.#seq && (epoch === this.#epoch || starts);
    if (!continues || !isCount(epoch) || !isCount(seq) || seq <= from)
      throw new ProtocolError(
        `delta: expected to continue epoch ${this.#epoch} at ${this.#seq}, got (${from}, ${seq}] of epoch ${epoch}`,
      );
    const { type: _type, session: _session, generation: _generation, at: _at, ...delta } = frame;
    this.#append(delta);
    return delta;
  }

  /** The text restarts from zero. The epoch may fall as well, when the server's store was lost. */
  restart(epoch: number): void {
    if (!isCount(epoch)) throw new ProtocolError(`reset: expected a count as \`epoch\`, got ${epoch}`);
    this.#epoch = epoch;
    this.#seq = 0;
    this.#text = '';
    this.#reasoning = '';
    this.#parts = 0;
    this.#calls.clear();
  }

  /** @throws ProtocolError when tokens are missing before the end */
  checkEnd({ epoch, seq }: Position): void {
    const isEmpty = this.#seq === 0 && seq === 0;
    if (seq !== this.#seq || (epoch !== this.#epoch && !isEmpty))
      throw new ProtocolError(
        `end: expected at ${this.#seq} of epoch ${this.#epoch}, got ${seq} of epoch ${epoch}`,
      );
  }

  /**
   * Takes the full text of a finished item (R3). In the same epoch it must continue what is here.
   * @throws ProtocolError when it contradicts it
   */
  complete(item: GenerationItem): Completion {
    const restarted = item.epoch !== this.#epoch && this.#seq > 0;
    if (item.epoch !== this.#epoch) this.restart(item.epoch);
    const remainders = this.#remainders(item);
    const missing = item.seq - this.#seq;
    if (missing < 0 || remainders.length > missing) throw contradiction('length');
    const deltas = remainders.map((remainder, index): Delta => {
      const from = this.#seq + index;
      // Where tokens end inside a finished text is not known: the last piece takes what the others leave.
      const seq = index === remainders.length - 1 ? item.seq : from + 1;
      return { epoch: item.epoch, from, seq, ...remainder };
    });
    for (const delta of deltas) this.#append(delta);
    this.#seq = item.seq;
    return { restarted, deltas };
  }

  #append({ epoch, seq, text, kind, tool, part }: Delta): void {
    this.#epoch = epoch;
    this.#seq = seq;
    if (kind === undefined || kind === 'refusal') this.#text += text;
    else if (kind === 'reasoning') this.#reasoning += text;
    else if (kind === 'tool_call') this.#appendCall(text, tool ?? { index: 0 });
    else if (part) this.#parts = part.index + 1;
  }

  #appendCall(text: string, { index, id, name }: ToolRef): void {
    let call = this.#calls.get(index);
    if (call === undefined) this.#calls.set(index, (call = { id: '', name: '', arguments: '' }));
    if (id !== undefined) call.id = id;
    if (name !== undefined) call.name = name;
    call.arguments += text;
  }

  /** What the item's text has beyond this one's, a piece for each kind. */
  #remainders(item: GenerationItem): readonly Remainder[] {
    const remainders: Remainder[] = [];
    const reasoning = rest('reasoning', item.reasoning ?? '', this.#reasoning);
    if (reasoning !== '') remainders.push({ kind: 'reasoning', text: reasoning });
    // A refusal is what a person gets to read in place of an answer.
    const text = rest('text', (item.text ?? '') + (item.refusal ?? ''), this.#text);
    if (text !== '') remainders.push({ text });
    // Finished calls come in order and without their index.
    const known = [...this.#calls.keys()].sort((left, right) => left - right);
    item.toolCalls?.forEach(({ arguments: all, ...ref }, order) => {
      const index = known[order] ?? order;
      const part = rest('tool_call', all, this.#calls.get(index)?.arguments ?? '');
      if (part === '' && this.#calls.has(index)) return;
      remainders.push({ kind: 'tool_call', text: part, tool: { ...ref, index } });
    });
    item.parts?.forEach(({ data, ...ref }, index) => {
      const text = JSON.stringify(data);
      if (index >= this.#parts) remainders.push({ kind: 'part', text, part: { ...ref, index } });
    });
    return remainders;
  }
}

const rest = (what: string, full: string, known: string): string => {
  if (!full.startsWith(known)) throw contradiction(what);
  return full.slice(known.length);
};

const contradiction = (what: string): ProtocolError =>
  new ProtocolError(`item: its ${what} contradicts what was received`);
