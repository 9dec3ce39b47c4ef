import { randomUUID } from 'node:crypto';
import { parseGenerationId, parseOrg, parseSessionId } from '@sluice/protocol';
import type { ErrorFrame, GenerationKey, OkFrame, ServerFrame } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';

type Answer = OkFrame | ErrorFrame;
type Sendable = Readonly<Record<string, unknown>>;

export const newId = (): string => randomUUID();

export const keyOf = (session: string, generation: string, org = 'acme'): GenerationKey => ({
  org: parseOrg(org),
  session: parseSessionId(session),
  generation: parseGenerationId(generation),
});

/** The first frame that matches, however long ago it came: unlike `nextFrame`, it forgets nothing. */
export const until = <Frame extends ServerFrame>(
  client: RawClient,
  matches: (frame: ServerFrame) => frame is Frame,
  what = 'a matching frame',
): Promise<Frame> => waitFor(() => client.frames().find(matches), { what, pollMs: 1 });

export const answersTo = (client: RawClient, id: string): Answer[] =>
  client
    .frames()
    .filter((frame): frame is Answer => (frame.type === 'ok' || frame.type === 'error') && frame.re === id);

/** Sends a frame under an id and waits for its one answer. */
export const ask = async (client: RawClient, frame: Sendable): Promise<Answer> => {
  const id = newId();
  client.send({ ...frame, id });
  return waitFor(() => answersTo(client, id)[0], { what: `an answer to ${String(frame.type)}`, pollMs: 1 });
};

/** As {@link ask}; throws unless the answer is `ok`. */
export const askOk = async (client: RawClient, frame: Sendable): Promise<OkFrame> => {
  const answer = await ask(client, frame);
  if (answer.type !== 'ok') throw new Error(`expected ok, got ${answer.code}: ${answer.message}`);
  return answer;
};

/** As {@link ask}; resolves to the error's code, or to `ok`. */
export const codeOf = async (client: RawClient, frame: Sendable): Promise<string> => {
  const answer = await ask(client, frame);
  return answer.type === 'ok' ? 'ok' : answer.code;
};

/** Leaves a session: resolves when the edge has handled everything this client sent before to it, and all acks. */
export const settled = (client: RawClient, session = 'never-subscribed'): Promise<OkFrame> =>
  askOk(client, { type: 'unsubscribe', session });

/** The text of one generation as this client received it, after its newest reset. */
export const textOf = (client: RawClient, generation: string): string => {
  let text = '';
  for (const frame of client.frames()) {
    if (!('generation' in frame) || frame.generation !== generation) continue;
    if (frame.type === 'reset') text = '';
    if (frame.type === 'delta') text += frame.text;
  }
  return text;
};
