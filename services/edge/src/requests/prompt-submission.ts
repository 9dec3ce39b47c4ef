import type { History } from '@sluice/bus';
import type { Created } from '@sluice/lifecycle';
import { SluiceError } from '@sluice/protocol';
import type { GenerationKey, OnAbandon, PromptBody } from '@sluice/protocol';
import type { Tracing } from '@sluice/runtime';
import type { Grant } from '../auth/grant.ts';
import type { EdgeTally } from '../tally/edge-tally.ts';
import { admit } from './admission.ts';
import type { AdmissionDeps } from './admission.ts';

export type PromptSubmission = {
  readonly key: GenerationKey;
  readonly grant: Grant;
  readonly body: PromptBody;
  /** what becomes of the generation when nobody watches, where the body does not say; default `park` */
  readonly onAbandon?: OnAbandon;
  /** the past that it continues, where that is not the one of now */
  readonly history?: History | undefined;
  /** W3C `traceparent` that came beside the body; default that of the body */
  readonly traceparent?: string | undefined;
  /** what an edge has to tell of the request again */
  readonly note?: object;
};

export type SubmissionDeps = {
  readonly admission: AdmissionDeps;
  readonly tally: Pick<EdgeTally, 'prompts'>;
  readonly tracing: Tracing;
};

/**
 * Starts a generation for the bearer of a grant, or finds it, whatever transport the prompt came by.
 * @returns whether this call created it, and its item
 * @throws SluiceError conflict, unavailable, quota_exceeded, rate_limited, too_large; BusUnavailableError
 */
export const submitPrompt = async (
  { grant, ...prompt }: PromptSubmission,
  { admission, tally, tracing }: SubmissionDeps,
): Promise<Created> => {
  const { org, session, generation } = prompt.key;
  const { traceparent: parent = prompt.body.traceparent } = prompt;
  const attributes = { 'sluice.org': org, 'sluice.session': session, 'sluice.generation': generation };
  const span = tracing.span('prompt', { parent, kind: 'server', attributes });
  try {
    const outcome = await admit({ ...prompt, user: grant.user, traceparent: span.traceparent }, admission);
    tally.prompts.add(String(outcome.created));
    span.end({ attributes: { 'sluice.created': outcome.created } });
    return outcome;
  } catch (error) {
    span.end({ error: error instanceof SluiceError ? error.code : 'internal' });
    throw error;
  }
};
