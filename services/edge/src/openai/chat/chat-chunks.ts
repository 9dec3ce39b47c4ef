import type { EndFrame } from '@sluice/protocol';
import { eventText } from '../../transports/event-view.ts';
import type { EventView, Shown } from '../../transports/event-view.ts';
import { ChatDeltas } from './chat-deltas.ts';
import { finishReasonOf } from './chat-completion.ts';
import type { CompletionHead } from './chat-completion.ts';
import { answerOf, failureOf, openAiError, refusalAnswer, RESTARTED } from '../openai-error.ts';
import type { OpenAiError } from '../openai-error.ts';
import { chatUsageOf } from '../usage.ts';

export type ChunkOptions = {
  /** a chunk without choices tells the usage before the stream ends */
  readonly includesUsage: boolean;
  /** the request has a name, under which it can be repeated */
  readonly isRepeatable: boolean;
};

/**
 * One generation as chat completion chunks. The id of an event is the position it leads to, as on the
 * generation's own stream of events, where it can be gone on from.
 */
export class ChatChunks {
  readonly #head: CompletionHead;
  readonly #includesUsage: boolean;
  readonly #isRepeatable: boolean;
  readonly #deltas = new ChatDeltas();
  #hasShown = false;

  constructor(head: CompletionHead, { includesUsage, isRepeatable }: ChunkOptions) {
    this.#head = head;
    this.#includesUsage = includesUsage;
    this.#isRepeatable = isRepeatable;
  }

  /** What a stream begins with, before there is a token. */
  get opening(): string {
    return this.#choice(undefined, { role: 'assistant', content: '' });
  }

  readonly view: EventView = (frame) => {
    switch (frame.type) {
      case 'delta':
        this.#hasShown = true;
        return { text: this.#said(`${frame.epoch}-${frame.seq}`, this.#deltas.of(frame)) };
      case 'reset':
        return this.#hasShown ? broken(RESTARTED) : undefined;
      case 'end':
        return this.#end(frame);
      case 'error':
        return { ...broken(openAiError(frame)), instead: refusalAnswer(frame) };
      default:
        return undefined;
    }
  };

  #end(end: EndFrame): Shown {
    const failure = failureOf(end);
    if (failure !== undefined)
      return { ...broken(failure.body), instead: answerOf(failure, this.#isRepeatable) };
    const rest = this.#said(undefined, this.#deltas.rest());
    const finish = this.#choice(`${end.epoch}-${end.seq}-end`, {}, finishReasonOf(end.reason));
    const usage = this.#includesUsage ? chatUsageOf(end.usage) : undefined;
    const counted = usage === undefined ? '' : this.#chunk(undefined, { choices: [], usage });
    return { text: `${rest}${finish}${counted}${eventText({ data: '[DONE]' })}`, last: true };
  }

  /** Only the last one leads to the position: what is before it would come again. */
  #said(id: string | undefined, deltas: readonly object[]): string {
    const last = deltas.length - 1;
    return deltas.map((delta, index) => this.#choice(index === last ? id : undefined, delta)).join('');
  }

  #choice(id: string | undefined, delta: object, finish_reason: string | null = null): string {
    const choices = [{ index: 0, delta, logprobs: null, finish_reason }];
    return this.#chunk(id, { choices, ...(this.#includesUsage ? { usage: null } : {}) });
  }

  #chunk(id: string | undefined, rest: object): string {
    const chunk = { ...this.#head, object: 'chat.completion.chunk', ...rest };
    return eventText({ id, data: JSON.stringify(chunk) });
  }
}

/** Once the head of the response is gone, an error is one more event. */
const broken = (error: OpenAiError): Shown => ({
  text: eventText({ data: JSON.stringify({ error }) }),
  last: true,
});
