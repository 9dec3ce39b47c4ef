/** Who deletes a session leaves nothing of it behind: in no stream, with no worker, at no viewer (issue 11, finding 12). */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Client, RequestError, Session } from '@sluice/client';
import type { Engine, EngineRequest } from '@sluice/core';
import type { Edge } from '@sluice/edge';
import { storedContent, waitFor } from '@sluice/testkit';
import { recordedClient, tokenFor } from '../support/clients.ts';
import { startSystem } from '../support/system.ts';
import type { System } from '../support/system.ts';

const SECRET = 'the-secret-of-erin';
const USER = 'erin-the-author';
const LONG = `${SECRET} `.repeat(20_000);

/** Says the secret: until it is stopped, where it is asked for that, else at great length. It does not stop at once. */
class TellingEngine implements Engine {
  readonly name = 'telling';
  running = 0;
  models = (): Promise<readonly string[]> => Promise.resolve(['telling']);
  canContinue = (): boolean => true;
  close = (): Promise<void> => Promise.resolve();
  async *generate({ messages }: EngineRequest, signal: AbortSignal): ReturnType<Engine['generate']> {
    const asked = String(messages.at(-1)?.content);
    this.running += 1;
    try {
      if (!asked.startsWith('endless')) yield asked === 'brief' ? 'done' : LONG;
      else
        while (!signal.aborted) {
          yield `${SECRET} `;
          await pause(2);
        }
      return { reason: 'stop' };
    } finally {
      this.running -= 1;
    }
  }
}

let system: System;
let edges: readonly [Edge, Edge];
const engine = new TellingEngine();
const clients: Client[] = [];
beforeAll(async () => {
  system = await startSystem();
  edges = [await system.addEdge(), await system.addEdge()];
  await system.addWorker(engine, { slots: 1 });
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await system.close();
});

const remove = (path: string): Promise<Response> =>
  fetch(`${edges[1].url}/v1/sessions/${path}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${tokenFor(USER)}` },
  });
const prompt = (session: Session, input: string) =>
  session.prompt({ input, onAbandon: 'finish', governor: 'none' });
/** The ledger alone still says who: what a generation cost has to be accounted for. */
const findings = async (): Promise<string[]> => {
  const content = await storedContent(system.nats.url);
  const hasUser = (line: string): boolean => line.includes(USER) && !line.startsWith('USAGE ');
  return content.split('\n').filter((line) => line.includes(SECRET) || hasUser(line));
};

test('a deleted session leaves no text, no name and no run, and its viewers know', async () => {
  const { client } = recordedClient(edges[0].url, USER);
  const { client: viewer } = recordedClient(edges[1].url, 'victor');
  clients.push(client, viewer);
  const session = client.session('doomed');
  const errors: RequestError[] = [];
  viewer.session('doomed').on('error', (error) => errors.push(error as RequestError));
  await viewer.session('doomed').subscribe();
  const posted = await session.message(`a line about ${SECRET}`);
  expect(posted).toBeDefined();
  await prompt(session, `say ${LONG}`).done;
  const running = prompt(session, `endless ${SECRET}`);
  await waitFor(() => running.position.seq > 100, { what: 'tokens' });
  // There is one slot.
  const queued = prompt(session, `queued ${SECRET}`);
  await waitFor(() => viewer.session('doomed').items.get(queued.id), { what: 'the queued one' });
  expect((await findings()).length).toBeGreaterThan(5);

  const deletedAt = performance.now();
  expect((await remove('doomed')).status).toBe(204);
  const erasedMs = performance.now() - deletedAt;
  expect(await findings()).toEqual([]);
  for (const generation of [running, queued]) await expect(generation.done).rejects.toMatchObject({});
  await waitFor(() => errors.some(({ code }) => code === 'session_deleted'), { what: 'word of it' });
  await expect(viewer.session('doomed').subscribe()).rejects.toMatchObject({ code: 'session_deleted' });

  const other = client.session('other');
  expect(await prompt(other, 'brief').done).toBe('done');
  const freeMs = performance.now() - deletedAt;
  expect(engine.running).toBe(0);
  console.info(
    `erased in ${erasedMs.toFixed(0)} ms, its slot used by another session after ${freeMs.toFixed(0)} ms`,
  );
  expect((await remove('other')).status).toBe(204);
  // Whatever comes late has come by then, and edges have looked once more.
  await pause(12_000);
  expect(await findings()).toEqual([]);
}, 60_000);

test('a line that is deleted leaves the rest, also where lines fill a session to its limit', async () => {
  const small = await system.addEdge({ maxItemsPerSession: 5 });
  const { client: writer } = recordedClient(small.url, 'mallory');
  clients.push(writer);
  const session = writer.session('shared');
  await session.subscribe();
  for (let n = 0; n < 5; n += 1) await session.message('.', { id: `m${n}` });
  await expect(session.message('help')).rejects.toMatchObject({ code: 'quota_exceeded' });
  const headers = { authorization: `Bearer ${tokenFor('mallory')}` };
  const path = `${small.url}/v1/sessions/shared/items/m0`;
  expect((await fetch(path, { method: 'DELETE', headers })).status).toBe(204);
  await session.message('there is room');
  await waitFor(() => !session.items.has('m0') && session.items.size === 5, {
    what: 'the items that are left',
  });
}, 30_000);
