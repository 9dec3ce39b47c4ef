import { answerMessageOf } from '@sluice/core/parts';
import { SluiceError } from '@sluice/protocol';
import type { ChatMessage, GenerationItem, GenerationKey, PromptBody } from '@sluice/protocol';
import type { Grant } from '../auth/grant.ts';
import type { EdgeContext } from '../connections/edge-context.ts';
import { readSettled } from '../transports/generation-wait.ts';
import { responseIdOf, responseKeyOf } from './response-id.ts';
import { statusOfEnd } from './response-object.ts';
import type { ResponseHead } from './response-object.ts';
import { historyOf, noteIn } from './response-request.ts';

/** A response as it is kept: nothing of it is in the memory of the edge that took it. */
export type StoredResponse = {
  readonly key: GenerationKey;
  readonly head: ResponseHead;
  readonly item: GenerationItem;
  /** as the worker was asked */
  readonly prompt: PromptBody;
};

type Store = Pick<EdgeContext, 'bus' | 'clock'>;

/** @throws SluiceError not_found, for generations that came some other way too; BusUnavailableError */
export const readResponse = async (key: GenerationKey, store: Store): Promise<StoredResponse> => {
  const entry = await store.bus.sessions.prompt(key);
  const note = noteIn(entry?.note);
  if (entry === undefined || note === undefined) throw new SluiceError('not_found', 'no such response');
  const item = await readSettled(key, store);
  const { createdAt, model } = item;
  const head = { id: responseIdOf(key), createdAt, model, note };
  return { key, head, item, prompt: entry.body };
};

const SILENCE: ChatMessage = { role: 'assistant', content: '' };

/** A conversation to go on with, and the session it is in. */
export type Previous = Pick<GenerationKey, 'session'> & { readonly history: readonly ChatMessage[] };

/** What `previous_response_id` names. @throws SluiceError bad_frame, forbidden, not_found; BusUnavailableError */
export const readPrevious = async (id: string, grant: Grant, store: Store): Promise<Previous> => {
  const { key, head, item, prompt } = await readResponse(responseKeyOf(grant, id, 'read'), store);
  if (item.status !== 'done' || statusOfEnd(item.reason) === 'failed')
    throw new SluiceError('bad_frame', '`previous_response_id`: expected a response that is done');
  return { session: key.session, history: historyOf(prompt, head.note, answerMessageOf(item) ?? SILENCE) };
};
