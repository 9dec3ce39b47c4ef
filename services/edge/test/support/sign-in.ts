import { openRawClient } from '@sluice/testkit';
import type { TestEdge } from './world.ts';

/** What comes of a token in the header: `ready`, or the code of the close. */
export const outcomeOf = async ({ url }: Pick<TestEdge, 'url'>, token: string): Promise<'ready' | number> => {
  const client = await openRawClient(url, { token, auth: 'header' });
  const ready = client.nextFrame('ready').then(
    () => 'ready' as const,
    () => undefined,
  );
  const outcome = (await Promise.race([ready, client.closed])) ?? (await client.closed);
  client.terminate();
  return outcome === 'ready' ? outcome : outcome.code;
};
