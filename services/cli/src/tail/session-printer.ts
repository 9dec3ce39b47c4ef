import { isAnswer, isShown } from '../terminal/delta-kind.ts';
import type { Delta, Item, SessionEvents } from '@sluice/client';
import { stdoutColours as pc } from '../terminal/colours.ts';
import type { Screen } from '../terminal/screen.ts';
import { answerIn, saidIn, speaker } from '../terminal/item-text.ts';
import { Turns } from './turns.ts';

const short = (id: string): string => (id.length > 12 ? id.slice(0, 8) : id);

/** Prints a session for people: who asked what, then the tokens. */
export class SessionPrinter {
  readonly #screen: Screen;
  readonly #seen = new Set<string>();
  readonly #turns: Turns;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#turns = new Turns((id) => screen.line({ text: `[${short(id)} goes on]`, paint: pc.dim }));
  }

  item(item: Item): void {
    if (this.#seen.has(item.id)) return;
    this.#seen.add(item.id);
    const text = saidIn(item);
    const model = item.kind === 'generation' ? `  [${short(item.id)} ${item.model}]` : '';
    this.#say(item.id, () => this.#screen.line(...speaker(item.user), text, { text: model, paint: pc.dim }));
    if (item.kind === 'message') this.#turns.end(item.id, performance.now());
    else if (item.status === 'done') {
      this.#say(item.id, () => this.#screen.line(answerIn(item)));
      this.#ended(item.id, item.reason ?? 'stop', item.seq);
    }
  }

  delta(delta: Delta & { readonly generation: string }): void {
    if (!isShown(delta)) return;
    const { generation, text } = delta;
    this.#say(generation, () => this.#screen.write(isAnswer(delta) ? text : { text, paint: pc.dim }));
  }

  reset({ generation, reason }: SessionEvents['reset']): void {
    this.#say(generation, () => this.#screen.note(`starts again from its beginning: ${reason}`));
  }

  end({ generation, reason, seq }: SessionEvents['end']): void {
    this.#ended(generation, reason, seq);
  }

  #ended(id: string, reason: string, seq: number): void {
    this.#say(id, () => this.#screen.line({ text: `· ${reason}, ${seq} tokens`, paint: pc.dim }));
    this.#turns.end(id, performance.now());
  }

  #say(id: string, show: () => void): void {
    this.#turns.say(id, performance.now(), show);
  }
}
