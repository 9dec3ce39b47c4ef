import { SluiceError } from '@sluice/protocol';
import type { EndReason, GenerationItem } from '@sluice/protocol';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Grant } from '../auth/grant.ts';
import { cancelFor } from '../requests/cancellation.ts';
import { waitForGeneration } from '../transports/generation-wait.ts';
import { withReferences } from './input/item-references.ts';
import { responseKeyOf } from './response-id.ts';
import { responseOfItem } from './response-object.ts';
import { inWordsOf, noteOf, promptOfResponse, responseRequestSchema } from './response-request.ts';
import type { ResponseRequest } from './response-request.ts';
import { resumeResponse } from './response-resume.ts';
import { currentRun, namedBy, nameHeaders, nameRun, SESSION_HEADER } from './run-name.ts';
import type { RunHeaders, RunName } from './run-name.ts';
import { readPrevious, readResponse } from './stored-response.ts';
import type { StoredResponse } from './stored-response.ts';
import { submitPrompt } from '../requests/prompt-submission.ts';
import type { StreamEnd } from '../transports/event-stream.ts';
import { json } from '../http/answers.ts';
import type { ApiRoutes, HttpContext } from '../http/api-routes.ts';
import { traceparentOf } from '../http/trace-context.ts';
import { hangUpOf } from '../http/hang-up.ts';
import { openAiRefusals, sendFailure } from './openai-answers.ts';
import { failureOf } from './openai-error.ts';
import { leaveRun, waitForRun } from './openai-run.ts';

/** A cancel that was heard is followed by the end at once; this long it is waited for, ms. */
const CANCEL_WAIT_MS = 5_000;

const responseSchema = z
  .looseObject({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.int(),
    status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
    model: z.string(),
    output: z.array(z.looseObject({ type: z.string() })),
  })
  .meta({ id: 'Response' });

const tags = ['openai'];
const params = z.object({ response: z.string() });

const answers = {
  200: {
    description: 'The response; with `stream` its events, whose `sequence_number` is the same on every edge.',
    content: {
      'application/json': { schema: responseSchema },
      'text/event-stream': { schema: z.string() },
    },
  },
  ...openAiRefusals,
};

const createSchema = {
  operationId: 'createResponse',
  summary: 'Ask as OpenAI’s clients do; a hang-up cancels, but in the background it only detaches',
  tags,
  headers: nameHeaders,
  body: responseRequestSchema,
  response: answers,
};

const getSchema = {
  operationId: 'getResponse',
  summary: 'Read a response, or go on with its stream',
  tags,
  params,
  querystring: z.object({
    stream: z.stringbool().optional(),
    starting_after: z.coerce.number().int().optional().describe('Number of the last event the client has.'),
  }),
  response: answers,
};

const cancelSchema = {
  operationId: 'cancelResponse',
  summary: 'Stop a response; its text so far is kept',
  tags,
  params,
  response: { 200: json('The response as it is then.', responseSchema), ...openAiRefusals },
};

export const responseRoutes: ApiRoutes = (context) => async (app) => {
  app.post('/v1/responses', { schema: createSchema }, async ({ grant, headers, body }, reply) => {
    const gone = hangUpOf(reply);
    const name = await start({ grant, headers, request: body }, context);
    void reply.headers(namedBy(name.key));
    const run = { name, grant };
    const response = await readResponse(name.key, context);
    const isBackground = body.background === true;
    if (body.stream === true) {
      const following = { response, grant, isWaiting: !isBackground, isRepeatable: name.isRepeatable };
      const end = await stream(reply, following, context);
      if (end === 'left' && !isBackground) await leaveRun(run, context);
      return undefined;
    }
    if (isBackground) return responseOfItem(response.head, response.item);
    const item = await waitForRun(run, gone, context);
    if (item === undefined) return reply.hijack();
    const failure = hasOutput(item) ? undefined : failureOf({ ...item, reason: errorOnly(item) });
    return failure === undefined
      ? responseOfItem(response.head, item)
      : sendFailure(reply, failure, name.isRepeatable);
  });

  app.get('/v1/responses/:response', { schema: getSchema }, async ({ grant, params, query }, reply) => {
    const response = await readResponse(responseKeyOf(grant, params.response, 'read'), context);
    if (query.stream !== true) return responseOfItem(response.head, response.item);
    await stream(reply, { response, grant, after: query.starting_after }, context);
    return undefined;
  });

  app.post('/v1/responses/:response/cancel', { schema: cancelSchema }, async ({ grant, params }, reply) => {
    const { key, head } = await readResponse(responseKeyOf(grant, params.response, 'read'), context);
    await cancelFor(key, grant, context);
    const options = { grant, gone: hangUpOf(reply), mostMs: CANCEL_WAIT_MS };
    return responseOfItem(head, await waitForGeneration(key, options, context));
  });
};

const hasOutput = ({ text = '', reasoning, refusal, toolCalls, parts }: GenerationItem): boolean =>
  text !== '' || [reasoning, refusal, toolCalls, parts].some((said) => said !== undefined);

/** A response that was cancelled is one all the same. */
const errorOnly = ({ reason }: GenerationItem): EndReason | undefined =>
  reason === 'error' ? reason : undefined;

type Asked = {
  readonly grant: Grant;
  readonly headers: RunHeaders;
  readonly request: ResponseRequest;
};

/** Starts the response, or finds it. */
const start = async ({ grant, headers, request }: Asked, context: HttpContext): Promise<RunName> => {
  const { previous_response_id: id } = request;
  const previous = id ? await readPrevious(id, grant, context) : undefined;
  const session = headers[SESSION_HEADER] ?? previous?.session;
  if (previous !== undefined && session !== previous.session)
    throw new SluiceError(
      'bad_frame',
      `\`previous_response_id\`: expected one of the session named by ${SESSION_HEADER}`,
    );
  const named = nameRun(grant, { ...headers, [SESSION_HEADER]: session }, 'resp');
  const name = await currentRun(named, context.bus);
  const input = await withReferences(request.input, grant, context);
  try {
    await submitPrompt(
      {
        ...{ key: name.key, grant, note: noteOf(request), traceparent: traceparentOf(headers) },
        body: promptOfResponse({ ...request, input }, previous?.history ?? []),
        onAbandon: request.background === true ? 'finish' : 'cancel',
      },
      context,
    );
  } catch (error) {
    throw inWordsOf(request, error);
  }
  return name;
};

type Following = {
  readonly response: StoredResponse;
  readonly grant: Grant;
  /** number of the last event that the client has; default none */
  readonly after?: number | undefined;
  /** the request that starts it: until the first token a failure is a status */
  readonly isWaiting?: boolean;
  readonly isRepeatable?: boolean;
};

const stream = async (
  reply: FastifyReply,
  { response, grant, after, isWaiting = false, isRepeatable = true }: Following,
  { bus, streams }: HttpContext,
): Promise<StreamEnd> => {
  const { events, position } = await resumeResponse(response, bus, { after, isRepeatable });
  const { key } = response;
  const { generation: only } = key;
  const positions = new Map(position === undefined ? [] : [[only, position]]);
  const beginsWith = isWaiting ? 'first' : 'watch';
  const options = {
    grant,
    view: events.view,
    opening: events.opening(),
    beginsWith,
    resumed: 'never',
  } as const;
  return streams.serve(reply, options, (live) => live.watch(key, { only, positions }));
};
