import { stderrColours, stdoutColours } from './colours.ts';
import { painted } from './painted.ts';
import type { Paint, Part } from './painted.ts';
import { plain } from './plain.ts';

/** The part of a terminal or pipe that is written to. */
export type Output = { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };

/** Text that streams token by token, with dim notes that always have a line of their own. */
export class Screen {
  readonly #output: Output;
  readonly #notes: Output;
  readonly #dim: Paint;
  #isAtLineStart = true;
  #hasOpenStatus = false;

  /** @param notes where notes go when the text goes into a file or pipe, so that those hold the text alone */
  constructor(output: Output = process.stdout, notes: Output = process.stderr) {
    this.#output = output;
    this.#notes = output.isTTY === true ? output : notes;
    this.#dim = (output.isTTY === true ? stdoutColours : stderrColours).dim;
  }

  get isTerminal(): boolean {
    return this.#output.isTTY === true;
  }

  write(...parts: readonly Part[]): void {
    const text = painted(...parts);
    if (text === '') return;
    this.#closeStatus();
    this.#output.write(text);
    this.#isAtLineStart = text.endsWith('\n');
  }

  /** Text in lines of its own. */
  line(...parts: readonly Part[]): void {
    this.endLine();
    this.write(...parts, '\n');
  }

  /** Ends the line that the text is in, if it is in one. */
  endLine(): void {
    this.#closeStatus();
    if (!this.#isAtLineStart) this.write('\n');
  }

  /** A dim line that stays. */
  note(text: string): void {
    this.status(text);
    this.#closeStatus();
  }

  /** A dim line that the next note or status takes the place of, where the output is a terminal. */
  status(message: string): void {
    const text = plain(message);
    if (!this.isTerminal) {
      this.#notes.write(`${this.#dim(`· ${text}`)}\n`);
      return;
    }
    const start = this.#hasOpenStatus ? '\r\x1b[K' : this.#isAtLineStart ? '' : '\n';
    // A status that wraps could not be replaced.
    const room = Math.max(10, (this.#output.columns ?? 80) - 3);
    const line = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    this.#output.write(start + this.#dim(`· ${line}`));
    this.#hasOpenStatus = true;
    this.#isAtLineStart = true;
  }

  #closeStatus(): void {
    if (!this.#hasOpenStatus) return;
    this.#hasOpenStatus = false;
    this.#output.write('\n');
  }
}
