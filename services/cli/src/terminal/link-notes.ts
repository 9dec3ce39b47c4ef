import type { Status } from '@sluice/client';
import type { Screen } from './screen.ts';

/** Tells a person about a lost connection, in one line that changes in place, and when it is back. */
export const linkNotes = (screen: Screen): ((status: Status) => void) => {
  let lostAt: number | undefined;
  let wasLive = false;
  return (status) => {
    if (status.type === 'live') {
      if (lostAt !== undefined)
        screen.note(`connected again after ${((performance.now() - lostAt) / 1_000).toFixed(1)} s`);
      wasLive = true;
      lostAt = undefined;
    } else if (status.type === 'reconnecting' && wasLive) {
      const isNews = lostAt === undefined;
      lostAt ??= performance.now();
      // In a log file one line about it is enough.
      if (isNews || screen.isTerminal) screen.status(`connection lost (${status.reason}), reconnecting …`);
    }
  };
};
