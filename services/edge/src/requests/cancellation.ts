import { cancelGeneration } from '@sluice/lifecycle';
import type { CancelContext } from '@sluice/lifecycle';
import { SluiceError } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import type { Grant } from '../auth/grant.ts';
import { allows } from '../auth/grant.ts';

/**
 * Stops a generation for the bearer of a grant: its author, or whoever may cancel.
 * @throws SluiceError not_found, forbidden, unavailable; BusUnavailableError
 */
export const cancelFor = (key: GenerationKey, grant: Grant, context: CancelContext): Promise<void> =>
  cancelGeneration(context, key, {
    user: grant.user,
    authorize: ({ user }) => {
      if (user !== grant.user && !allows(grant, 'cancel'))
        throw new SluiceError('forbidden', 'only the author or scope `cancel` may cancel this generation');
    },
  });
