import { SluiceError } from '@sluice/protocol';
import type { ModelDirectory } from './model-directory.ts';

/** How long a client waits for a worker that may be about to come, ms. */
const RETRY_AFTER_MS = 2_000;
/** Names that a refusal lists. */
const MAX_LISTED = 20;

type Offer = {
  /** models that this org may use and that live workers offer */
  readonly there: readonly string[];
  readonly models: Pick<ModelDirectory, 'isKnown'>;
};

/** Why there is no model to answer a prompt. @param asked the prompt's own word; undefined: it named none */
export const modelMissing = (asked: string | undefined, { there, models }: Offer): SluiceError => {
  if (there.length === 0) return new SluiceError('unavailable', 'no worker is up', AGAIN);
  // Its worker may restart, or the operator's default is not there yet: both come back by themselves.
  if (asked === undefined || models.isKnown(asked))
    return new SluiceError('unavailable', 'no live worker offers this model', AGAIN);
  return new SluiceError(
    'model_not_found',
    `\`model\`: no worker offers this one; expected ${listed(there)}`,
  );
};

const AGAIN = { retryAfterMs: RETRY_AFTER_MS };

const listed = (models: readonly string[]): string => {
  const shown = models.slice(0, MAX_LISTED).map((name) => `\`${name}\``);
  const more = models.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};
