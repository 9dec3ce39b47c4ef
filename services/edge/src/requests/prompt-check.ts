import { SluiceError } from '@sluice/protocol';
import type { PromptBody } from '@sluice/protocol';
import { describeIssue, promptBodySchema } from '@sluice/protocol/schema';

/** The request's own fields are the prompt's params here, so they are named as the client knows them. */
const OWN_NAME = /^`params\./;

/** Holds a request that was translated against the bounds of every prompt. @throws SluiceError bad_frame */
export const checkPrompt = (prompt: object): PromptBody => {
  const parsed = promptBodySchema.safeParse(prompt);
  if (parsed.success) return parsed.data as PromptBody;
  throw new SluiceError('bad_frame', describeIssue(parsed.error.issues[0]).replace(OWN_NAME, '`'));
};

/** Clients send null for what they do not set. */
export const withoutNulls = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
