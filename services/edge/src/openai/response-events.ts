import type { DeltaFrame, EndFrame, Position } from '@sluice/protocol';
import { eventText } from '../transports/event-view.ts';
import type { EventView, Shown } from '../transports/event-view.ts';
import { BEFORE_ALL, CREATED, IN_PROGRESS, numberBefore, numberOfDelta } from './event-number.ts';
import { answerOf, failureOf, openAiError, refusalAnswer, RESTARTED } from './openai-error.ts';
import type { OpenAiError } from './openai-error.ts';
import { entryStatusOf, responseOf, statusOfEnd } from './response-object.ts';
import type { ResponseHead, ResponseStatus } from './response-object.ts';
import { contentOf, outputItemOf, ResponseOutput } from './response-output.ts';
import { inputOfArguments } from './input/response-tools.ts';
import type { Change, OutputEntry, OutputPiece, OutputStatus } from './response-output.ts';

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
    const { epoch, from, text } = tokens;
    const { before, own } = this.#output.push(tokens);
    const said = own.find(({ type }) => type === 'said');
    const delta = said && deltaOf(said.entry, text);
    return [
      // What a part brings has the numbers of its last token, which has said nothing by itself.
      this.#numbered({ epoch, seq: from }, eventsOf(before, 'completed')),
      this.#numbered({ epoch, seq: from + 1 }, eventsOf(own, 'completed')),
      delta === undefined ? '' : this.#event(numberOfDelta(tokens), delta),
    ].join('');
  }

  #end({ epoch, seq, reason, error, usage }: EndFrame): Shown {
    const status = statusOfEnd(reason);
    const { before, own } = this.#output.end();
    const { entries } = this.#output;
    const late = this.#numbered({ epoch, seq }, eventsOf(before, entryStatusOf(status)));
    const events = eventsOf(own, entryStatusOf(status));
    const response = responseOf(this.#head, { status, reason, error, usage, entries });
    events.push({ type: TYPE_OF_END[status] ?? 'response.incomplete', response });
    const text = late + this.#numbered({ epoch, seq: seq + 1 }, events);
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

/** Where the only part of an entry's content is. */
const contentPlaceOf = (entry: OutputEntry): object => ({
  ...placeOf(entry),
  [entry.kind === 'summary' ? 'summary_index' : 'content_index']: 0,
});

const partOf = ({ kind }: OutputEntry): string =>
  kind === 'summary' ? 'response.reasoning_summary_part' : 'response.content_part';

/** The events of changes, but for the text that was said: that has a number of its own. */
const eventsOf = (changes: readonly Change[], status: OutputStatus): Fields[] =>
  changes.flatMap((change): Fields[] => {
    if (change.type === 'opened') return openingOf(change.entry);
    if (change.type === 'closed') return closing(change.entry, status);
    return change.type === 'annotated' ? [annotatedOf(change.entry, change.annotation)] : [];
  });

const annotatedOf = (entry: OutputEntry, annotation: OutputEntry['annotations'][number]): Fields => ({
  ...{ type: 'response.output_text.annotation.added', ...placeOf(entry), content_index: 0 },
  ...{ annotation_index: entry.annotations.indexOf(annotation), annotation },
});

const openingOf = (entry: OutputEntry): Fields[] => {
  const item = outputItemOf(entry, 'in_progress', '');
  const added = { type: 'response.output_item.added', output_index: entry.index, item };
  if (!hasContent(entry)) return [added];
  const part = contentOf({ ...entry, annotations: [] }, '');
  return [added, { type: `${partOf(entry)}.added`, ...contentPlaceOf(entry), part }];
};

/** @returns undefined where it is told at the end: a text inside of JSON cannot be shown in pieces */
const deltaOf = (entry: OutputEntry, delta: string): Fields | undefined => {
  const place = placeOf(entry);
  if (entry.kind === 'tool_call' && entry.shape.type === 'custom') return undefined;
  if (entry.kind === 'tool_call') return { type: 'response.function_call_arguments.delta', ...place, delta };
  const said = { ...contentPlaceOf(entry), delta };
  if (entry.kind === 'summary') return { type: 'response.reasoning_summary_text.delta', ...said };
  if (entry.kind === 'reasoning') return { type: 'response.reasoning_text.delta', ...said };
  if (entry.kind === 'refusal') return { type: 'response.refusal.delta', ...said };
  return { type: 'response.output_text.delta', ...said, logprobs: [] };
};

const hasContent = ({ kind }: OutputEntry): boolean => kind !== 'tool_call' && kind !== 'image';

const closing = (entry: OutputEntry, status: OutputStatus): Fields[] => {
  const item = outputItemOf(entry, status);
  const done = { type: 'response.output_item.done', output_index: entry.index, item };
  const place = contentPlaceOf(entry);
  const { kind, text } = entry;
  if (kind === 'tool_call') return [...callDoneOf(entry), done];
  if (!hasContent(entry)) return [done];
  const part = contentOf(entry, text);
  return [{ ...place, ...textDoneOf(entry) }, { type: `${partOf(entry)}.done`, ...place, part }, done];
};

const textDoneOf = ({ kind, text }: OutputEntry): Fields => {
  if (kind === 'summary') return { type: 'response.reasoning_summary_text.done', text };
  if (kind === 'reasoning') return { type: 'response.reasoning_text.done', text };
  if (kind === 'refusal') return { type: 'response.refusal.done', refusal: text };
  return { type: 'response.output_text.done', text, logprobs: [] };
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
