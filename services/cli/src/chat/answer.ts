import { isAnswer, isShown } from '../terminal/delta-kind.ts';
import { RequestError } from '@sluice/client';
import type { Delta, Generation, GenerationEnd } from '@sluice/client';
import type { GenerationError } from '@sluice/protocol';
import { stdoutColours as pc } from '../terminal/colours.ts';
import type { Screen } from '../terminal/screen.ts';

/** Silence for this long deserves a word, ms. */
const SILENCE_MS = 3_000;

const STATES: Readonly<Record<string, string>> = {
  recovering: 'the worker was lost, another one takes over …',
  parked: 'the answer is parked and goes on in a moment …',
  paused: 'the worker waits for this reader …',
  waiting: 'the model is busy, trying again …',
};

export type Viewing = {
  readonly screen: Screen;
  /** whether there is a connection now */
  readonly isLive: () => boolean;
};

/** Says why nothing comes. @returns what stops telling */
const tellStates = (generation: Generation, { screen, isLive }: Viewing): (() => void) => {
  const onSilence = (): void => {
    // A lost connection has a status of its own.
    if (!isLive()) timer.refresh();
    else if (generation.status === 'queued') screen.status('waiting for a free worker …');
    else screen.status('no token for a while, waiting …');
  };
  const timer = setTimeout(onSilence, SILENCE_MS);
  const removals = [
    generation.on('delta', () => timer.refresh()),
    generation.on('state', (state) => {
      const text = STATES[state];
      if (text !== undefined) screen.status(text);
    }),
  ];
  return () => {
    clearTimeout(timer);
    for (const remove of removals) remove();
  };
};

/** Prints deltas one after the other: text as it is, reasoning and tool calls dimmed and in lines of their own. */
class AnswerPrinter {
  readonly #screen: Screen;
  #kind: Delta['kind'];
  #epoch: number | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  print(delta: Delta): void {
    if (this.#epoch !== undefined && delta.epoch !== this.#epoch)
      this.#screen.note('the answer starts again from its beginning');
    this.#epoch = delta.epoch;
    if (!isShown(delta)) return;
    // Into a file or pipe goes the answer alone.
    if (!isAnswer(delta) && !this.#screen.isTerminal) return;
    if (delta.kind !== this.#kind) this.#screen.endLine();
    this.#kind = delta.kind;
    const name = delta.tool?.name === undefined ? '' : `→ ${delta.tool.name} `;
    const text = name + delta.text;
    this.#screen.write(isAnswer(delta) ? text : { text, paint: pc.dim });
  }
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;

const endNote = ({ reason, seq, receipt, error }: GenerationEnd): string | undefined => {
  switch (reason) {
    case 'stop':
    case 'tool_calls':
      return undefined;
    case 'cancelled':
      return receipt === undefined
        ? `stopped after ${seq} tokens`
        : `stopped after ${seq} tokens; the engine ended ${receipt.msToAbort} ms later`;
    case 'error':
      return `the answer failed: ${error === undefined ? 'no reason given' : failureText(error)}`;
    case 'length':
      return 'the answer reached its longest length';
    case 'abandoned':
      return 'nobody was watching, so the answer was given up';
    case 'content_filter':
      return 'the answer was cut off by a content filter';
  }
};

/**
 * Shows an answer as it grows, until its end.
 * @returns how it ended; undefined when the prompt was refused, which is told
 * @throws ClosedError when the connection is closed for good
 */
export const showAnswer = async (
  generation: Generation,
  viewing: Viewing,
): Promise<GenerationEnd | undefined> => {
  const { screen } = viewing;
  const stop = tellStates(generation, viewing);
  const printer = new AnswerPrinter(screen);
  const startedAt = performance.now();
  let firstMs: number | undefined;
  try {
    generation.on('delta', (delta) => {
      firstMs ??= performance.now() - startedAt;
      printer.print(delta);
    });
    const end = await generation.end;
    const ms = performance.now() - startedAt;
    const text =
      endNote(end) ?? `${end.seq} tokens in ${seconds(ms)}, the first after ${seconds(firstMs ?? ms)}`;
    screen.endLine();
    if (screen.isTerminal || endNote(end) !== undefined) screen.note(text);
    return end;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    screen.note(`refused: ${error.message} (${error.code})`);
    return undefined;
  } finally {
    stop();
  }
};

const failureText = ({ code, message, upstream = {} }: GenerationError): string =>
  `${upstream.message ?? message} (${upstream.code ?? code})`;
