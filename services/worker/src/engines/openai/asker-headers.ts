import type { EngineRequest } from '@sluice/core';

/** Who asks, as headers. Ids have no other characters; a user's name may have any, so it is percent-encoded. */
export const askerHeaders = ({
  asker,
  generation,
}: Pick<EngineRequest, 'asker' | 'generation'>): Readonly<Record<string, string>> =>
  asker === undefined
    ? {}
    : {
        'x-sluice-org': asker.org,
        'x-sluice-user': encodeURIComponent(wellFormed(asker.user)),
        'x-sluice-session': asker.session,
        'x-sluice-generation': generation,
      };

/** Half of a surrogate pair, which no UTF-8 has, becomes U+FFFD. */
const wellFormed = (text: string): string => Buffer.from(text).toString();
