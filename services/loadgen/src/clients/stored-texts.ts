import type { Item, ServerFrame } from '@sluice/protocol';
import { openPipe } from './pipe.ts';
import type { Pipe } from './pipe.ts';
import type { Target } from './wire.ts';

const CONNECTIONS = 8;
/** A generation's item is written after its end was sent: it is read again until it is done. */
const TRIES = 50;
const RETRY_MS = 100;

type Watch = { readonly pipe: Pipe; readonly items: (session: string) => Promise<readonly Item[]> };

const openWatch = async (target: Target): Promise<Watch> => {
  let resolve: (items: readonly Item[]) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const pipe = await openPipe(target, '/', {
    text: (payload) => {
      const frame = JSON.parse(payload.toString()) as ServerFrame;
      if (frame.type === 'subscribed') resolve(frame.items);
      else if (frame.type === 'error') reject(new Error(`${frame.code}: ${frame.message}`));
    },
    lost: (reason) => reject(new Error(reason)),
  });
  const items = (session: string): Promise<readonly Item[]> =>
    new Promise((onItems, onError) => {
      resolve = onItems;
      reject = onError;
      pipe.send({ type: 'subscribe', session, observe: true });
      pipe.send({ type: 'unsubscribe', session });
    });
  return { pipe, items };
};

const isDone = (item: Item): boolean => item.kind !== 'generation' || item.status === 'done';

const readSession = async ({ items }: Watch, session: string): Promise<readonly Item[]> => {
  for (let tries = 1; ; tries += 1) {
    const found = await items(session);
    if (found.every(isDone) || tries === TRIES) return found;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
};

/** The stored texts of all generations of these sessions, by generation, as a fresh reader gets them. */
export const readStoredTexts = async (
  target: Target,
  sessions: readonly string[],
): Promise<ReadonlyMap<string, string>> => {
  const texts = new Map<string, string>();
  const left = [...sessions];
  const work = async (): Promise<void> => {
    const watch = await openWatch(target);
    for (let session = left.pop(); session !== undefined; session = left.pop())
      for (const item of await readSession(watch, session))
        if (item.kind === 'generation' && item.text !== undefined) texts.set(item.id, item.text);
    watch.pipe.close();
  };
  await Promise.all(Array.from({ length: Math.min(CONNECTIONS, sessions.length) }, work));
  return texts;
};
