import type { GenerationItem } from '@sluice/protocol';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { readGeneration } from '../transports/generation-wait.ts';
import { ChatChunks } from './chat/chat-chunks.ts';
import { completionOf, headOf } from './chat/chat-completion.ts';
import { chatRequestSchema, promptOfChat } from './chat-request.ts';
import { failureOf } from './openai-error.ts';
import { currentRun, namedBy, nameHeaders, nameRun } from './run-name.ts';
import type { RunName } from './run-name.ts';
import { submitPrompt } from '../requests/prompt-submission.ts';
import type { ApiRoutes, HttpContext } from '../http/api-routes.ts';
import { traceparentOf } from '../http/trace-context.ts';
import { hangUpOf } from '../http/hang-up.ts';
import { openAiRefusals, sendFailure } from './openai-answers.ts';
import { leaveRun, waitForRun } from './openai-run.ts';
import type { OpenAiRun } from './openai-run.ts';

const completionSchema = z
  .looseObject({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(z.looseObject({ index: z.int(), finish_reason: z.string() })),
  })
  .meta({ id: 'ChatCompletion' });

const schema = {
  operationId: 'createChatCompletion',
  summary: 'Ask as OpenAI’s clients do; a hang-up cancels',
  tags: ['openai'],
  headers: nameHeaders,
  body: chatRequestSchema,
  response: {
    200: {
      description: 'The answer; with `stream` its chunks as events, whose ids are positions.',
      content: {
        'application/json': { schema: completionSchema },
        'text/event-stream': { schema: z.string() },
      },
    },
    ...openAiRefusals,
  },
};

export const chatCompletionRoutes: ApiRoutes = (context) => async (app) => {
  app.post('/v1/chat/completions', { schema }, async ({ grant, headers, body }, reply) => {
    const gone = hangUpOf(reply);
    const name = await currentRun(nameRun(grant, headers, 'chatcmpl'), context.bus);
    const traceparent = traceparentOf(headers);
    const prompt = {
      key: name.key,
      grant,
      body: promptOfChat(body),
      onAbandon: 'cancel',
      traceparent,
    } as const;
    await submitPrompt(prompt, context);
    void reply.headers(namedBy(name.key));
    const run = { name, grant };
    if (body.stream !== true) {
      const done = await waitForRun(run, gone, context);
      return done === undefined ? reply.hijack() : answer(reply, done, name);
    }
    const item = await readGeneration(name.key, context.bus);
    const includesUsage = body.stream_options?.include_usage === true;
    const { isRepeatable } = name;
    const chunks = new ChatChunks(headOf(item), { includesUsage, isRepeatable });
    return stream(reply, run, { chunks, context });
  });
};

const answer = (reply: FastifyReply, item: GenerationItem, { isRepeatable }: RunName): object => {
  const failure = failureOf(item);
  return failure === undefined ? completionOf(item) : sendFailure(reply, failure, isRepeatable);
};

const UNTIL_IT_SPEAKS = { beginsWith: 'first', resumed: 'never' } as const;

const stream = async (
  reply: FastifyReply,
  run: OpenAiRun,
  { chunks, context }: { readonly chunks: ChatChunks; readonly context: HttpContext },
): Promise<void> => {
  const { grant, name } = run;
  const { generation: only } = name.key;
  const options = { grant, view: chunks.view, opening: chunks.opening, ...UNTIL_IT_SPEAKS };
  const end = await context.streams.serve(reply, options, (live) => live.watch(name.key, { only }));
  if (end === 'left') await leaveRun(run, context);
};
