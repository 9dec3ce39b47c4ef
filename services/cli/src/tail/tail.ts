import type { Delta, Item, Session, SessionEvents } from '@sluice/client/node';
import { ClosedError } from '@sluice/client/node';
import { stdoutColours as pc } from '../terminal/colours.ts';
import { linkNotes } from '../terminal/link-notes.ts';
import { Screen } from '../terminal/screen.ts';
import { connectTo, refusal, targetOf } from '../edge/target.ts';
import type { TargetOptions } from '../edge/target.ts';

export type TailOptions = TargetOptions & {
  /** events as lines of JSON */
  readonly json?: boolean;
};

const short = (id: string): string => (id.length > 12 ? id.slice(0, 8) : id);

/** Prints a session for people: who asked what, then the tokens; several answers at once take turns. */
class Transcript {
  readonly #screen: Screen;
  readonly #seen = new Set<string>();
  /** whose tokens the last line holds */
  #current: string | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  item(item: Item): void {
    if (this.#seen.has(item.id)) return;
    this.#seen.add(item.id);
    const text = item.kind === 'message' ? item.text : item.input;
    const model = item.kind === 'generation' ? pc.dim(`  [${short(item.id)} ${item.model}]`) : '';
    this.#line(`${pc.bold(pc.cyan(item.user))} ${pc.dim('›')} ${text}${model}`);
    if (item.kind !== 'generation' || item.status !== 'done') return;
    this.#line(item.text ?? '');
    this.#ended(item.reason ?? 'stop', item.seq);
  }

  delta({ generation, text, kind }: Delta & { readonly generation: string }): void {
    if (this.#current !== generation) {
      this.#screen.endLine();
      if (this.#current !== undefined) this.#screen.write(pc.dim(`[${short(generation)}] `));
      this.#current = generation;
    }
    this.#screen.write(text, kind === undefined ? undefined : pc.dim);
  }

  reset({ reason }: SessionEvents['reset']): void {
    this.#screen.note(`starts again from its beginning: ${reason}`);
  }

  end({ generation, reason, seq }: SessionEvents['end']): void {
    if (this.#current === generation) this.#current = undefined;
    this.#ended(reason, seq);
  }

  #ended(reason: string, seq: number): void {
    this.#screen.endLine();
    this.#line(pc.dim(`· ${reason}, ${seq} tokens`));
  }

  #line(text: string): void {
    this.#screen.endLine();
    this.#screen.write(`${text}\n`);
  }
}

const EVENTS = ['item', 'delta', 'reset', 'state', 'end', 'presence', 'signal'] as const;

const printJson = (session: Session): void => {
  for (const event of EVENTS)
    session.on(event, (fields) =>
      process.stdout.write(`${JSON.stringify({ event, ...(fields as object) })}\n`),
    );
};

const printText = (session: Session, screen: Screen): void => {
  const transcript = new Transcript(screen);
  session.on('item', (item) => transcript.item(item));
  session.on('delta', (delta) => transcript.delta(delta));
  session.on('reset', (reset) => transcript.reset(reset));
  session.on('end', (end) => transcript.end(end));
};

/** Follows a session without counting as one of its viewers, until Ctrl-C or the end of the connection. */
export const tail = async (name: string, options: TailOptions): Promise<void> => {
  const target = targetOf(options);
  const screen = new Screen();
  const notes = linkNotes(screen);
  const left = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const client = await connectTo(target, notes);
  const closed = new Promise<never>((_resolve, reject) =>
    client.on('status', (status) => {
      if (status.type === 'closed' && status.code !== 1000)
        reject(refusal(target.url, status.code, status.reason));
    }),
  );
  try {
    const session = client.session(name);
    session.on('error', (error) => screen.note(error.message));
    if (options.json === true) printJson(session);
    else printText(session, screen);
    const subscribed = session.subscribe({ observe: true }).catch((error: unknown) => {
      if (!(error instanceof ClosedError)) throw error;
    });
    await Promise.race([Promise.all([subscribed, left]), left, closed]);
  } finally {
    screen.endLine();
    await client.close();
  }
};
