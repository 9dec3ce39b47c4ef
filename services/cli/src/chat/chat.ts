import { answerIn, saidIn, speaker } from '../terminal/item-text.ts';
import { randomBytes } from 'node:crypto';
import { DetachedError } from '@sluice/client';
import type { Client, Generation, Item, Session } from '@sluice/client';
import { CliError } from '../cli-error.ts';
import { linkNotes } from '../terminal/link-notes.ts';
import { painted } from '../terminal/painted.ts';
import { Screen } from '../terminal/screen.ts';
import { connectTo, refusal, targetOf } from '../edge/target.ts';
import type { TargetOptions } from '../edge/target.ts';
import { showAnswer } from './answer.ts';
import type { Viewing } from './answer.ts';
import { LineReader } from '../terminal/line-reader.ts';

export type ChatOptions = TargetOptions & {
  /** default a new one */
  readonly session?: string;
  /** default the edge's */
  readonly model?: string;
};

const SHOWN_ITEMS = 10;

type Room = Viewing & {
  readonly session: Session;
  readonly reader: LineReader;
  readonly user: string;
};

/** @returns false when the person leaves */
const follow = async (generation: Generation, room: Room): Promise<boolean> => {
  const { screen, reader } = room;
  let isLeaving = false;
  let isCancelled = false;
  reader.onInterrupt = () => {
    if (isCancelled) {
      isLeaving = true;
      generation.detach();
      return;
    }
    isCancelled = true;
    screen.status('stopping … (Ctrl-C again leaves)');
    generation.cancel().catch((error: Error) => {
      if (!isLeaving) screen.note(`could not stop it: ${error.message}`);
    });
  };
  try {
    const end = await showAnswer(generation, room);
    if (end === undefined || end.reason === 'error') process.exitCode = reader.isInteractive ? 0 : 1;
  } catch (error) {
    if (!(error instanceof DetachedError)) throw error;
    screen.note('left; the answer waits for you in the session');
  } finally {
    reader.onInterrupt = undefined;
  }
  return !isLeaving;
};

const showItem = (item: Item, screen: Screen): void => {
  screen.write(...speaker(item.user), saidIn(item));
  screen.endLine();
  if (item.kind === 'message' || item.status !== 'done') return;
  screen.write(answerIn(item));
  screen.endLine();
};

/** What was said before; an answer that is still being written is followed to its end. */
const catchUp = async (room: Room): Promise<boolean> => {
  const { session, screen } = room;
  const items = [...session.items.values()].slice(-SHOWN_ITEMS);
  for (const item of items) showItem(item, screen);
  const last = items.at(-1);
  return last?.kind !== 'generation' || last.status === 'done' || follow(session.generation(last.id), room);
};

const talk = async (room: Room, model: string | undefined): Promise<void> => {
  const { session, reader, user } = room;
  for (;;) {
    const input = await reader.next(painted(...speaker(user)));
    if (input === undefined) return;
    if (input.trim() === '') continue;
    const generation = session.prompt({ input, ...(model === undefined ? {} : { model }) });
    if (!(await follow(generation, room))) return;
  }
};

const greet = (screen: Screen, url: string, session: string): void => {
  screen.note(`session ${session} on ${url}`);
  screen.note('Ctrl-C stops an answer, and at the prompt it leaves');
};

const closedForGood = async (client: Client, url: string): Promise<never> => {
  await client.close();
  const { status } = client;
  throw status.type === 'closed'
    ? refusal(url, status.code, status.reason)
    : new CliError('the connection is closed');
};

/** A conversation in the terminal; with input from a pipe, one prompt a line and the answers alone. */
export const chat = async (options: ChatOptions): Promise<void> => {
  const target = targetOf(options);
  const screen = new Screen();
  const client = await connectTo(target, linkNotes(screen));
  const reader = new LineReader();
  const name = options.session ?? `chat-${randomBytes(4).toString('hex')}`;
  try {
    const session = client.session(name);
    session.on('error', (error) => screen.note(error.message));
    client.on('error', (error) => screen.note(error.message));
    await session.subscribe();
    const isLive = (): boolean => client.status.type === 'live';
    const room: Room = { session, screen, isLive, reader, user: client.ready?.user ?? 'you' };
    if (reader.isInteractive) greet(screen, target.url, name);
    if (reader.isInteractive && !(await catchUp(room))) return;
    await talk(room, options.model);
    if (reader.isInteractive) screen.note(`come back with: sluice chat --session ${name}`);
  } catch (error) {
    if (client.status.type === 'closed') return await closedForGood(client, target.url);
    throw error;
  } finally {
    reader.close();
    await client.close();
  }
};
