import { SluiceError } from '@sluice/protocol';
import type { Position } from '@sluice/protocol';
import { z } from 'zod';
import { readGeneration } from '../transports/generation-wait.ts';
import { eventText } from '../transports/event-view.ts';
import type { EventView } from '../transports/event-view.ts';
import { events, nothing, refusals } from '../http/answers.ts';
import type { ApiRoutes } from '../http/api-routes.ts';
import { goawayText, lastEventHeaders as headers, retryOpening } from '../http/event-source.ts';
import { GENERATION_URL, generationKeyOf, generationParams as params } from './generation-path.ts';

const schema = {
  operationId: 'getGenerationEvents',
  summary: 'Follow a generation: its tokens from where the client is, then its end',
  tags: ['generations'],
  params,
  headers,
  querystring: z.object({
    after: z.string().optional().describe('As `Last-Event-ID`, which counts if both are there.'),
  }),
  response: {
    200: events('Events `delta`, `reset` and `end`, whose data are the frames; ids are positions.'),
    204: nothing('The client has had the end: there is nothing more to come back for.'),
    ...refusals,
  },
};

/** Where a client is: the id of the last event it got. `isEnd`: that was the `end`, so nothing is left. */
type Place = { readonly position: Position; readonly isEnd: boolean };

const PLACE = /^(\d{1,15})-(\d{1,15})(-end)?$/;

/** @throws SluiceError bad_frame */
const parsePlace = (text: string): Place => {
  const [, epoch, seq, end] = PLACE.exec(text) ?? [];
  if (epoch === undefined || seq === undefined)
    throw new SluiceError('bad_frame', '`Last-Event-ID`, `after`: expected <epoch>-<seq>');
  return { position: { epoch: Number(epoch), seq: Number(seq) }, isEnd: end !== undefined };
};

/** One generation as events `delta`, `reset` and `end`, whose ids are positions. */
const generationView: EventView = (frame, json) => {
  switch (frame.type) {
    case 'delta':
      return { text: eventText({ id: `${frame.epoch}-${frame.seq}`, event: 'delta', data: json }) };
    case 'reset':
      return { text: eventText({ id: `${frame.epoch}-0`, event: 'reset', data: json }) };
    case 'end':
      return {
        text: eventText({ id: `${frame.epoch}-${frame.seq}-end`, event: 'end', data: json }),
        last: true,
      };
    case 'error':
      return { text: eventText({ event: 'error', data: json }), last: true };
    case 'goaway':
      return { text: goawayText(frame, json) };
    default:
      return undefined;
  }
};

/** One generation as a stream that ends with it. */
export const generationEventRoutes: ApiRoutes =
  ({ bus, streams }) =>
  async (app) => {
    app.get(`${GENERATION_URL}/events`, { schema }, async ({ grant, params, headers, query }, reply) => {
      const key = generationKeyOf(grant, params, 'read');
      const after = headers['last-event-id'] ?? query.after ?? '';
      const place = after === '' ? undefined : parsePlace(after);
      await readGeneration(key, bus);
      // An EventSource that was told the end comes back all the same, unless it is told 204.
      if (place?.isEnd === true) return reply.code(204).send();
      const { generation: only } = key;
      const positions = new Map(place === undefined ? [] : [[only, place.position]]);
      const options = { grant, view: generationView, opening: retryOpening(), resumed: 'client' } as const;
      await streams.serve(reply, options, (stream) => stream.watch(key, { only, positions }));
      return undefined;
    });
  };
