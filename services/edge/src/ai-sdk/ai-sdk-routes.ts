import type { UiChunk } from '@sluice/core';
import { idSchema } from '@sluice/protocol/schema';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AnswerChunks } from './answer-chunks.ts';
import { askForAnswer, findAnswer, stopChat } from './answer.ts';
import type { Answer } from './answer.ts';
import { chatFieldsSchema, chatQuestionOf, chatSchema, newMessageSchema } from './chat-request.ts';
import { openSession } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { eventText } from '../transports/event-view.ts';
import type { EventView } from '../transports/event-view.ts';
import { traceparentOf } from '../http/trace-context.ts';
import { events, nothing, refusals } from '../http/answers.ts';
import type { ApiRoutes, HttpContext } from '../http/api-routes.ts';

const tags = ['chats'];
const params = z.object({ chat: idSchema.describe('A chat is the session of the same id.') });
const stream = events('Chunks of a UI message stream, then `[DONE]`; `start` comes first.');

const SCHEMAS = {
  ask: {
    operationId: 'askInChat',
    summary: 'Ask in a chat: the answer as a UI message stream; a hang-up only stops watching',
    tags,
    body: chatFieldsSchema.extend({ id: idSchema, ...chatSchema.shape, message: newMessageSchema }),
    response: { 200: stream, ...refusals },
  },
  resume: {
    operationId: 'resumeChat',
    summary: 'Follow the answer that runs in a chat, from its start',
    tags,
    params,
    querystring: z.object({
      message: z.string().optional().describe('The answer this message shows instead, done or not.'),
    }),
    response: { 200: stream, 204: nothing('Nothing runs.'), ...refusals },
  },
  stop: {
    operationId: 'stopChat',
    summary: 'Stop whatever runs in a chat, for everybody',
    tags,
    params,
    response: { 202: nothing('Stopped.'), 204: nothing('Nothing ran.'), ...refusals },
  },
} as const;

/** The HTTP chat protocol of the Vercel AI SDK, as its DefaultChatTransport speaks it. A hang-up detaches. */
export const aiSdkRoutes: ApiRoutes = (context) => async (app) => {
  app.post('/api/chat', { schema: SCHEMAS.ask }, async ({ grant, body, id, headers }, reply) => {
    const { id: chat, messages, message, trigger, messageId, ...fields } = body;
    const said = { messages, message, trigger, messageId };
    const question = chatQuestionOf({ chat: said, fields, request: id });
    const asking = { grant, chat, question, traceparent: traceparentOf(headers) };
    const answer = await askForAnswer(asking, context);
    return serve(reply, context, { grant, answer });
  });

  app.get('/api/chat/:chat/stream', { schema: SCHEMAS.resume }, async ({ grant, params, query }, reply) => {
    const key = openSession(grant, params.chat, 'read');
    const answer = await findAnswer(key, query.message, context.bus);
    return answer === undefined ? reply.code(204).send() : serve(reply, context, { grant, answer });
  });

  app.post('/api/chat/:chat/stop', { schema: SCHEMAS.stop }, async ({ grant, params }, reply) => {
    const hasStopped = await stopChat(grant, params.chat, context);
    return reply.code(hasStopped ? 202 : 204).send();
  });
};

const serve = async (
  reply: FastifyReply,
  { streams }: HttpContext,
  { grant, answer }: { readonly grant: Grant; readonly answer: Answer },
): Promise<void> => {
  const chunks = new AnswerChunks(answer);
  const opening = textOf(chunks.start());
  void reply.header('x-vercel-ai-ui-message-stream', 'v1');
  const { generation: only } = answer.key;
  // The SDK takes any end of a stream for the end of the answer, so an edge that leaves has to say so.
  const options = { grant, view: viewOf(chunks), opening, resumed: 'never' } as const;
  await streams.serve(reply, options, (stream) => stream.watch(answer.key, { only }));
};

const viewOf =
  (answer: AnswerChunks): EventView =>
  (frame) => {
    const told = answer.of(frame);
    if (told === undefined) return undefined;
    const text = textOf(told.chunks);
    return told.isLast ? { text: `${text}${eventText({ data: '[DONE]' })}`, last: true } : { text };
  };

const textOf = (chunks: readonly UiChunk[]): string =>
  chunks.map((chunk) => eventText({ data: JSON.stringify(chunk) })).join('');
