import type { DeltaFrame, EndFrame, Position } from '@sluice/protocol';
import { eventText } from '../transports/event-view.ts';
import type { EventView, Shown } from '../transports/event-view.ts';
import { BEFORE_ALL, CREATED, IN_PROGRESS, numberBefore, numberOfDelta } from './event-number.ts';
import { answerOf, failureOf, openAiError, refusalAnswer, RESTARTED } from './openai-error.ts';
import type { OpenAiError } from './openai-error.ts';
import { entryStatusOf, responseOf, statusOfEnd } from './response-object.ts';
import type { ResponseHead, ResponseStatus } from './response-object.ts';
import { contentOf, outputItemOf, ResponseOutput } from './response-output.ts';
import type { OutputEntry, OutputPiece, OutputStatus } from './response-output.ts';
import { inputOfArguments } from './input/response-tools.ts';

type Fields = Readonly<Record<string, unknown>> & { readonly type: string };
/** Some of a generation's tokens, as a frame has them. */
export type Tokens = OutputPiece & Pick<DeltaFrame, 'epoch' | 'from' | 'seq'>;

/**
 * One generation as the events of a response. It has to see all tokens from the first on, since OpenAI's closing
 * events repeat the text; those that the client has had already are taken in, and not shown.
 */
export class ResponseEvents {
  readonly #head: ResponseHead;
  readonly #output: ResponseOutput;
  /** number of the newest event that the client has had */
  #shown: number;
  #hasTokens = false;
  readonly #isRepeatable: boolean;

  /**
   * @param after number of the last event that the client has; default none
   * @param isRepeatable the request has a name, under which it can be repeated
   */
  constructor(head: ResponseHead, after = BEFORE_ALL, isRepeatable = true) {
    this.#head = head;
    this.#isRepeatable = isRepeatable;
    this.#output = new ResponseOutput(head);
    this.#shown = after;
  }

  /** What a stream begins with, before there is a token. */
  opening(): string {
    const response = (status: ResponseStatus): object => responseOf(this.#head, { status });
    const first = this.#head.note.background === true ? 'queued' : 'in_progress';
    const created = { type: 'response.created', response: response(first) };
    const running = { type: 'response.in_progress', response: response('in_progress') };
    return `${this.#event(CREATED, created)}${this.#event(IN_PROGRESS, running)}`;
  }

  readonly view: EventView = (frame) => {
    switch (frame.type) {
      case 'delta':
        return { text: this.take(frame) };
      case 'reset':
        return this.#hasTokens ? this.#broken(RESTARTED) : undefined;
      case 'end':
        return this.#end(frame);
      case 'error':
        return { ...this.#broken(openAiError(frame)), instead: refusalAnswer(frame) };
      default:
        return undefined;
    }
  };

  /** The next tokens. @returns their events that the client has not had yet */
  take(tokens: Tokens): string {
    this.#hasTokens = true;
    const before = this.#output.last;
    const { entry, isNew } = this.#output.push(tokens);
    const isOver = before !== undefined && before !== entry && before.kind !== 'tool_call';
    const events = isOver ? closing(before, 'completed') : [];
    if (isNew) events.push(...openingOf(entry));
    const text = this.#numbered({ epoch: tokens.epoch, seq: tokens.from + 1 }, events);
    const delta = tokens.text === '' ? undefined : deltaOf(entry, tokens.text);
    return delta === undefined ? text : text + this.#event(numberOfDelta(tokens), delta);
  }

  #end({ epoch, seq, reason, error, usage }: EndFrame): Shown {
    const status = statusOfEnd(reason);
    const { last, entries } = this.#output;
    // Calls are open until now: their pieces may come in turns.
    const open = entries.filter((entry) => entry === last || entry.kind === 'tool_call');
    const events = open.flatMap((entry) => closing(entry, entryStatusOf(status)));
    const response = responseOf(this.#head, { status, reason, error, usage, entries });
    events.push({ type: TYPE_OF_END[status] ?? 'response.incomplete', response });
    const text = this.#numbered({ epoch, seq: seq + 1 }, events);
    const failure = status === 'failed' && !this.#hasTokens ? failureOf({ reason, error, seq }) : undefined;
    if (failure === undefined) return { text, last: true };
    return { text, last: true, instead: answerOf(failure, this.#isRepeatable) };
  }

  /** Not an event of the response: it says where to go on from. */
  #broken({ code, message, param }: OpenAiError): Shown {
    const sequence_number = Math.max(0, this.#shown);
    const error = { type: 'error', code, message, param, sequence_number };
    return { text: eventText({ event: 'error', data: JSON.stringify(error) }), last: true };
  }

  /** Events that a token, or the end, brings with it. */
  #numbered(position: Position, events: readonly Fields[]): string {
    const first = numberBefore(position);
    return events.map((event, index) => this.#event(first + index, event)).join('');
  }

  #event(number: number, { type, ...fields }: Fields): string {
    if (number <= this.#shown) return '';
    this.#shown = number;
    return eventText({ event: type, data: JSON.stringify({ type, sequence_number: number, ...fields }) });
  }
}

const TYPE_OF_END: Partial<Record<ResponseStatus, string>> = {
  completed: 'response.completed',
  failed: 'response.failed',
};

const placeOf = ({ id, index }: OutputEntry): object => ({ item_id: id, output_index: index });

const openingOf = (entry: OutputEntry): Fields[] => {
  const item = outputItemOf(entry, 'in_progress', '');
  const added = { type: 'response.output_item.added', output_index: entry.index, item };
  if (entry.kind === 'tool_call') return [added];
  const part = contentOf(entry, '');
  return [added, { type: 'response.content_part.added', ...placeOf(entry), content_index: 0, part }];
};

/** @returns undefined where it is told at the end: a text inside of JSON cannot be shown in pieces */
const deltaOf = (entry: OutputEntry, delta: string): Fields | undefined => {
  const place = placeOf(entry);
  if (entry.kind === 'tool_call' && entry.shape.type === 'custom') return undefined;
  if (entry.kind === 'tool_call') return { type: 'response.function_call_arguments.delta', ...place, delta };
  const said = { ...place, content_index: 0, delta };
  if (entry.kind === 'reasoning') return { type: 'response.reasoning_text.delta', ...said };
  return { type: 'response.output_text.delta', ...said, logprobs: [] };
};

const closing = (entry: OutputEntry, status: OutputStatus): Fields[] => {
  const item = outputItemOf(entry, status);
  const done = { type: 'response.output_item.done', output_index: entry.index, item };
  const place = placeOf(entry);
  const { kind, text } = entry;
  if (kind === 'tool_call') return [...callDoneOf(entry), done];
  const said = { ...place, content_index: 0, text };
  const textDone =
    kind === 'reasoning'
      ? { type: 'response.reasoning_text.done', ...said }
      : { type: 'response.output_text.done', ...said, logprobs: [] };
  const part = contentOf(entry, text);
  return [textDone, { type: 'response.content_part.done', ...place, content_index: 0, part }, done];
};

const callDoneOf = (entry: OutputEntry): Fields[] => {
  const place = placeOf(entry);
  const { text, shape } = entry;
  const { name } = shape;
  if (shape.type === 'function')
    return [{ type: 'response.function_call_arguments.done', ...place, name, arguments: text }];
  const input = inputOfArguments(text);
  return [
    { type: 'response.custom_tool_call_input.delta', ...place, delta: input },
    { type: 'response.custom_tool_call_input.done', ...place, input },
  ];
};
