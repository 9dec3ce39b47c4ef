import { errorCodeSchema } from '@sluice/protocol/schema';
import { z } from 'zod';

const errorSchema = z
  .object({
    error: z.looseObject({
      code: errorCodeSchema,
      message: z.string().describe('For people; names fields, never their content.'),
      retryable: z.boolean().describe('Whether the same request may succeed later.'),
    }),
  })
  .meta({ id: 'Error' });

/** What routes answer, for their schemas: a body in JSON, a stream of events, or nothing. */
export const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

export const events = (description: string) => ({
  description,
  content: { 'text/event-stream': { schema: z.string() } },
});

/** Frames, one JSON object a line. */
export const FRAMES_TYPE = 'application/x-ndjson';

export const frames = (description: string) => ({
  description,
  content: { [FRAMES_TYPE]: { schema: z.string() } },
});

/** No body at all. */
export const nothing = (description: string) => z.null().describe(description);

/** How any route refuses. */
export const refusals = {
  '4xx': json('Refused: the code says why.', errorSchema),
  '5xx': json('Not at the moment (`unavailable`), or a fault of the server.', errorSchema),
} as const;
