import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { Writable } from 'node:stream';

/** What the line editor draws on: silent while an answer streams, so that typing ahead does not end up in it. */
class Canvas extends Writable {
  isOn = false;

  get columns(): number {
    return process.stdout.columns;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.isOn) process.stdout.write(chunk);
    done();
  }
}

/** Lines of stdin, one at a time: edited at a terminal, as they are from a pipe. What comes early is kept. */
export class LineReader {
  readonly isInteractive = process.stdin.isTTY && process.stdout.isTTY;
  readonly #canvas = new Canvas();
  readonly #lines: string[] = [];
  readonly #readline: Interface;
  readonly #onSignal = (): void => this.#interrupted();
  #isClosed = false;
  #waiter: ((line: string | undefined) => void) | undefined;
  #interrupt: (() => void) | undefined;

  constructor() {
    this.#readline = createInterface({
      input: process.stdin,
      output: this.#canvas,
      terminal: this.isInteractive,
      historySize: 200,
      removeHistoryDuplicates: true,
    });
    this.#readline.on('line', (line) => this.#took(line));
    this.#readline.on('close', () => this.#closed());
    // In raw mode Ctrl-C is a key and no signal.
    this.#readline.on('SIGINT', this.#onSignal);
    process.on('SIGINT', this.#onSignal);
  }

  /** The next line; undefined at the end of the input, or when Ctrl-C was pressed in place of one. */
  next(prompt: string): Promise<string | undefined> {
    const early = this.#lines.shift();
    if (early !== undefined) {
      if (this.isInteractive) process.stdout.write(`${prompt}${early}\n`);
      return Promise.resolve(early);
    }
    if (this.#isClosed) return Promise.resolve(undefined);
    this.#canvas.isOn = true;
    if (this.isInteractive) {
      this.#readline.setPrompt(prompt);
      this.#readline.prompt(true);
    }
    return new Promise((resolve) => (this.#waiter = resolve));
  }

  /** Ctrl-C calls this instead, until it is undefined again. */
  set onInterrupt(listener: (() => void) | undefined) {
    this.#interrupt = listener;
  }

  close(): void {
    process.off('SIGINT', this.#onSignal);
    this.#readline.close();
  }

  #took(line: string): void {
    if (this.#waiter === undefined) this.#lines.push(line);
    else this.#give(line);
  }

  #give(line: string | undefined): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    this.#canvas.isOn = false;
    waiter?.(line);
  }

  #closed(): void {
    this.#isClosed = true;
    if (this.#waiter !== undefined && this.isInteractive) process.stdout.write('\n');
    this.#give(undefined);
  }

  #interrupted(): void {
    if (this.#interrupt !== undefined) this.#interrupt();
    else this.close();
  }
}
