import { knownPartOf, PartReader } from '@sluice/core/parts';
import type { DeltaFrame, Part, ToolRef } from '@sluice/protocol';
import { shownPartsOf } from './chat-completion.ts';

type Said = Pick<DeltaFrame, 'text' | 'kind' | 'tool' | 'part'>;

/** Says the tokens of one generation as `delta`s of chat completion chunks. */
export class ChatDeltas {
  readonly #parts = new PartReader();
  /** number of each call that has begun, by its id */
  readonly #calls = new Map<string, number>();
  /** what the model's server wants back with a call that has not begun, by the call's id */
  readonly #early = new Map<string, object>();

  of(said: Said): object[] {
    const before = this.#partsOf(this.#parts.push(said));
    return said.kind === 'part' ? before : [...before, this.#deltaOf(said)];
  }

  /** What is left to say when nothing follows. */
  rest(): object[] {
    return this.#partsOf(this.#parts.end());
  }

  #deltaOf({ kind, text, tool = { index: 0 } }: Said): object {
    if (kind === 'reasoning') return { reasoning_content: text };
    if (kind === 'refusal') return { refusal: text };
    return kind === 'tool_call' ? this.#callOf(text, tool) : { content: text };
  }

  #callOf(text: string, { index, id, name }: ToolRef): object {
    if (id !== undefined) this.#calls.set(id, index);
    const call = {
      // With the first piece: some clients look for signatures nowhere else.
      ...(id === undefined ? {} : this.#early.get(id)),
      index,
      ...(id === undefined ? {} : { id, type: 'function' }),
      function: { ...(name === undefined ? {} : { name }), arguments: text },
    };
    return { tool_calls: [call] };
  }

  #partsOf(part: Part | undefined): object[] {
    if (part === undefined) return [];
    const known = knownPartOf(part);
    if (known.type === 'reasoning_fields') return [known.fields];
    if (known.type !== 'call_fields') return [shownPartsOf([part])];
    const index = this.#calls.get(known.callId);
    if (index !== undefined) return [{ tool_calls: [{ ...known.fields, index }] }];
    this.#early.set(known.callId, known.fields);
    return [];
  }
}
