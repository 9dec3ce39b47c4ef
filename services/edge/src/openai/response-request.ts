import { SluiceError } from '@sluice/protocol';
import type { ChatMessage, PromptBody } from '@sluice/protocol';
import { counted, describeIssue, freeformSchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { checkPrompt, withoutNulls } from '../requests/prompt-check.ts';
import { inputSchema, messagesOfInput } from './input/response-input.ts';
import { chatToolChoiceOf, chatToolsOf, toolChoiceSchema, toolSchema } from './input/response-tools.ts';

const notKept = { error: 'expected none: give `input`, and `previous_response_id` to go on' };

const formatSchema = z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema']) });

/** `POST /v1/responses`. What is not named here passes through to the engine. */
export const responseRequestSchema = z
  .looseObject({
    model: z.string().nullish().describe('Default the server’s.'),
    input: inputSchema,
    instructions: z.string().nullish(),
    previous_response_id: z.string().nullish().describe('The conversation to go on with, in its session.'),
    stream: z.boolean().nullish(),
    background: z.boolean().nullish().describe('Runs on whether its client stays or not.'),
    store: z.boolean().nullish().describe('Responses are kept for the server’s retention time either way.'),
    metadata: counted(1_000, z.record(z.string(), z.string())).nullish(),
    max_output_tokens: z.int().nullish(),
    temperature: z.number().nullish(),
    top_p: z.number().nullish(),
    tools: counted(256, z.array(toolSchema)).nullish(),
    tool_choice: toolChoiceSchema.nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    text: z.looseObject({ format: formatSchema.nullish(), verbosity: z.string().nullish() }).nullish(),
    reasoning: z.looseObject({ effort: z.string().nullish(), summary: z.string().nullish() }).nullish(),
    conversation: z.null(notKept).optional(),
    prompt: z.null(notKept).optional(),
  })
  .meta({ id: 'ResponseRequest' });

export type ResponseRequest = z.infer<typeof responseRequestSchema>;

const noteSchema = z.object({ response: responseRequestSchema.omit({ input: true, stream: true }) });

/** What a response tells of its request again, and its engine does not get. */
export type ResponseNote = z.infer<typeof noteSchema>['response'];

/** What is stored with the prompt besides it. @throws SluiceError bad_frame */
export const noteOf = (request: ResponseRequest): { readonly response: ResponseNote } => {
  const { input: _input, stream: _stream, stream_options: _options, ...note } = request;
  const checked = freeformSchema.safeParse(note);
  if (!checked.success) throw new SluiceError('bad_frame', describeIssue(checked.error.issues[0]));
  return { response: note };
};

/** The note of a prompt that came as a response; undefined: it came some other way. */
export const noteIn = (note: unknown): ResponseNote | undefined => noteSchema.safeParse(note).data?.response;

/**
 * What the worker is asked for: the conversation so far, then the input, as a chat completion.
 * @throws SluiceError bad_frame
 */
export const promptOfResponse = (request: ResponseRequest, history: readonly ChatMessage[]): PromptBody => {
  const { model, input, instructions } = request;
  const system = instructions ? [{ role: 'system', content: instructions }] : [];
  const messages = [...system, ...history, ...messagesOfInput(input)];
  return checkPrompt({ ...withoutNulls({ model }), messages, params: paramsOf(request) });
};

/** A refusal of what was translated, in the words of the request. */
export const inWordsOf = ({ max_output_tokens: given }: ResponseRequest, error: unknown): unknown => {
  if (!(error instanceof SluiceError) || given === undefined || !BOUND.test(error.message)) return error;
  return new SluiceError(error.code, error.message.replace(BOUND, '`max_output_tokens`:'));
};

const BOUND = /^`max_tokens`:/;

/** The conversation up to and including a response, without the instructions it was given. */
export const historyOf = (
  { messages = [] }: PromptBody,
  { instructions }: ResponseNote,
  answer: ChatMessage,
): readonly ChatMessage[] => [...(instructions ? messages.slice(1) : messages), answer];

const paramsOf = (request: ResponseRequest): object => {
  const {
    model: _model,
    input: _input,
    instructions: _instructions,
    previous_response_id: _previous,
    stream: _stream,
    stream_options: _options,
    background: _background,
    max_output_tokens,
    tools,
    tool_choice,
    text,
    reasoning,
    ...params
  } = request;
  const chatTools = chatToolsOf(tools ?? []);
  return withoutNulls({
    ...params,
    max_tokens: max_output_tokens ?? params['max_tokens'],
    tools: chatTools,
    tool_choice: chatToolChoiceOf(tool_choice, chatTools),
    response_format: responseFormatOf(text?.format ?? undefined),
    verbosity: text?.verbosity ?? params['verbosity'],
    reasoning_effort: reasoning?.effort ?? params['reasoning_effort'],
  });
};

const responseFormatOf = (format: z.infer<typeof formatSchema> | undefined): object | undefined => {
  if (format === undefined || format.type === 'text') return undefined;
  const { type, ...json_schema } = format;
  return type === 'json_object' ? { type } : { type, json_schema };
};
