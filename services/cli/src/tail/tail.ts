import type { Session } from '@sluice/client';
import { ClosedError } from '@sluice/client';
import { linkNotes } from '../terminal/link-notes.ts';
import { jsonLine } from '../terminal/plain.ts';
import { Screen } from '../terminal/screen.ts';
import { connectTo, refusal, targetOf } from '../edge/target.ts';
import type { TargetOptions } from '../edge/target.ts';
import { SessionPrinter } from './session-printer.ts';

export type TailOptions = TargetOptions & {
  /** events as lines of JSON */
  readonly json?: boolean;
};

const EVENTS = ['item', 'delta', 'reset', 'state', 'end', 'presence', 'signal'] as const;

const printJson = (session: Session): void => {
  for (const event of EVENTS)
    session.on(event, (fields) => process.stdout.write(jsonLine({ event, ...(fields as object) })));
};

const printText = (session: Session, screen: Screen): void => {
  const printer = new SessionPrinter(screen);
  session.on('item', (item) => printer.item(item));
  session.on('delta', (delta) => printer.delta(delta));
  session.on('reset', (reset) => printer.reset(reset));
  session.on('end', (end) => printer.end(end));
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
