import { z } from 'zod';
import type { FastifyReply } from 'fastify';
import { json } from '../http/answers.ts';
import { answerOf } from './openai-error.ts';
import type { FailedRunError } from './openai-error.ts';

const errorSchema = z
  .object({
    error: z.looseObject({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .meta({ id: 'OpenAiError' });

/** How the routes of OpenAI's APIs refuse. */
export const openAiRefusals = {
  '4xx': json('Refused, in OpenAI’s shape; `x-should-retry` says whether to repeat it.', errorSchema),
  '5xx': json('Not at the moment, or a fault of the server or the engine.', errorSchema),
} as const;

/** A run without an answer, by status. */
export const sendFailure = (
  reply: FastifyReply,
  failure: FailedRunError,
  isRepeatable: boolean,
): FastifyReply => {
  const { status, headers, body } = answerOf(failure, isRepeatable);
  return reply.code(status).headers(headers).send(body);
};
