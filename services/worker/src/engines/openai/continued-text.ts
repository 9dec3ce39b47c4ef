import { textOf } from '@sluice/protocol';
import type { Token } from '@sluice/protocol';

/**
 * Stored tokens as a server is given them to go on from.
 *
 * White space at the end is not sent: many chat templates trim a message, so the model would write it again
 * on one server and not on another (https://github.com/vllm-project/vllm/issues/9547). Unsent, it is
 * written again everywhere, and {@link ContinuedText.dropRepeated} takes it out.
 */
export class ContinuedText {
  /** what to send; empty when there is nothing to continue */
  readonly text: string;
  /** how many of the tokens `text` covers, at least in part */
  readonly tokens: number;
  #unsent: string;

  constructor(prefix: readonly Token[]) {
    const whole = prefix.map(textOf).join('');
    this.text = whole.trimEnd();
    this.#unsent = whole.slice(this.text.length);
    this.tokens = prefix.length - blankAtEnd(prefix);
  }

  /** Takes from the start of the output what it repeats of the white space that was not sent. */
  dropRepeated(token: Token): Token | undefined {
    if (this.#unsent === '') return token;
    if (typeof token !== 'string') {
      this.#unsent = '';
      return token;
    }
    let same = 0;
    while (same < token.length && token[same] === this.#unsent[same]) same += 1;
    // The first character that differs ends the repetition: the model has chosen other white space.
    this.#unsent = same === token.length ? this.#unsent.slice(same) : '';
    return same === token.length ? undefined : token.slice(same);
  }
}

const blankAtEnd = (prefix: readonly Token[]): number => {
  const lastWithText = prefix.findLastIndex((token) => textOf(token).trim() !== '');
  return prefix.length - 1 - lastWithText;
};
