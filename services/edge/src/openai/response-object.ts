import type { EndReason, GenerationError, GenerationItem, ItemStatus, Usage } from '@sluice/protocol';
import { FailedRunError, RUN_FAILED } from './openai-error.ts';
import { outputItemOf, piecesOfItem, ResponseOutput } from './response-output.ts';
import type { OutputEntry, OutputStatus } from './response-output.ts';
import type { ResponseNote } from './response-request.ts';
import { responseUsageOf } from './usage.ts';

/** What never changes of a response: all of it is in its prompt. */
export type ResponseHead = {
  /** of the response */
  readonly id: string;
  /** ms since the Unix epoch */
  readonly createdAt: number;
  readonly model: string;
  readonly note: ResponseNote;
};

export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** How a response stands. */
export type ResponseProgress = {
  readonly status: ResponseStatus;
  readonly reason?: EndReason | undefined;
  readonly error?: GenerationError | undefined;
  readonly usage?: Usage | undefined;
  readonly entries?: readonly OutputEntry[];
};

const STATUS_OF_END: Readonly<Record<EndReason, ResponseStatus>> = {
  stop: 'completed',
  tool_calls: 'completed',
  length: 'incomplete',
  content_filter: 'incomplete',
  cancelled: 'cancelled',
  abandoned: 'cancelled',
  error: 'failed',
};

export const statusOfEnd = (reason: EndReason = 'stop'): ResponseStatus => STATUS_OF_END[reason];

const STATUS_OF_ITEM: Readonly<Record<Exclude<ItemStatus, 'done'>, ResponseStatus>> = {
  queued: 'queued',
  running: 'in_progress',
  parked: 'in_progress',
};

/** Entries of a response that ended, whole or not. */
export const entryStatusOf = (status: ResponseStatus): OutputStatus =>
  status === 'completed' ? 'completed' : 'incomplete';

/** A response in OpenAI's words. */
export const responseOf = (head: ResponseHead, progress: ResponseProgress): object => {
  const { status, reason, error, usage, entries = [] } = progress;
  return {
    id: head.id,
    object: 'response',
    created_at: Math.floor(head.createdAt / 1000),
    model: head.model,
    status,
    error: status === 'failed' ? errorOf(error) : null,
    incomplete_details: status === 'incomplete' ? { reason: incompleteBy(reason) } : null,
    output: entries.map((entry) => outputItemOf(entry, entryStatusOf(status))),
    usage: responseUsageOf(usage),
    ...echoOf(head.note),
  };
};

const errorOf = (error: GenerationError | undefined): object => {
  const { code, message } = new FailedRunError(error ?? RUN_FAILED);
  return { code: CODE_OF_FAILURE.get(code) ?? code, message };
};

/** OpenAI's words for what has no code of the engine's own: https://platform.openai.com/docs/api-reference/responses/object */
const CODE_OF_FAILURE: ReadonlyMap<string, string> = new Map([
  ['upstream_overloaded', 'rate_limit_exceeded'],
  ['upstream_rejected', 'invalid_prompt'],
  ['upstream_unavailable', 'server_error'],
  ['upstream_protocol', 'server_error'],
]);

/** The request's own words; null and the like where it said nothing. */
const echoOf = (note: ResponseNote): object => ({
  background: note.background ?? false,
  instructions: note.instructions ?? null,
  max_output_tokens: note.max_output_tokens ?? null,
  metadata: note.metadata ?? {},
  parallel_tool_calls: note.parallel_tool_calls ?? true,
  previous_response_id: note.previous_response_id ?? null,
  reasoning: note.reasoning ?? { effort: null, summary: null },
  store: true,
  temperature: note.temperature ?? null,
  text: note.text ?? { format: { type: 'text' } },
  tool_choice: note.tool_choice ?? 'auto',
  tools: note.tools ?? [],
  top_p: note.top_p ?? null,
  truncation: 'disabled',
});

/** A response as its item tells it: all of it once that is done, and until then how it stands. */
export const responseOfItem = (head: ResponseHead, item: GenerationItem): object => {
  if (item.status !== 'done') return responseOf(head, { status: STATUS_OF_ITEM[item.status] });
  const output = new ResponseOutput(head);
  for (const piece of piecesOfItem(item)) output.push(piece);
  output.end();
  const { reason, error, usage } = item;
  return responseOf(head, { status: statusOfEnd(reason), reason, error, usage, entries: output.entries });
};

const incompleteBy = (reason: EndReason | undefined): string =>
  reason === 'content_filter' ? 'content_filter' : 'max_output_tokens';
