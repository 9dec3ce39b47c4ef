import closeWithGrace from 'close-with-grace';
import { silentLogger } from './logger.ts';
import type { Logger } from './logger.ts';

export type ShutdownReason =
  | { readonly type: 'signal'; readonly signal: string }
  | { readonly type: 'error'; readonly error: unknown }
  /** the service itself decided, by `trigger()` */
  | { readonly type: 'manual' };

export type ShutdownOptions = {
  /** most time the callback may take before the process exits with 1; default 10000 */
  readonly timeoutMs?: number;
  readonly logger?: Logger;
};

export type Shutdown = {
  /** Starts the shutdown as a signal would. */
  trigger(): void;
  /** Removes the listeners; for tests and for hosts that embed a service. */
  uninstall(): void;
};

// SIGINT, SIGTERM and SIGHUP ask us to go. The rest means a broken process (SIGSEGV must not run JavaScript) or
// belongs to debuggers, and an empty event loop has nothing left to close.
const NOT_OURS: closeWithGrace.AllEvents[] = [
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'SIGUSR2',
  'beforeExit',
];

type Cause = { err?: Error; signal?: string; manual?: boolean };

const reasonOf = ({ err, signal, manual }: Cause): ShutdownReason => {
  if (signal !== undefined) return { type: 'signal', signal };
  return manual ? { type: 'manual' } : { type: 'error', error: err };
};

/**
 * Runs `close` once when the process is asked to end, then exits: 0 after SIGINT, SIGTERM, SIGHUP or `trigger()`; 1
 * after an uncaught error or rejection, when `close` fails or exceeds `timeoutMs`, and at once on a second signal.
 */
export const onShutdown = (
  close: (reason: ShutdownReason) => Promise<void>,
  { timeoutMs = 10_000, logger = silentLogger }: ShutdownOptions = {},
): Shutdown => {
  const run = async (cause: Cause): Promise<void> => {
    const reason = reasonOf(cause);
    if (reason.type === 'error') logger.error('shutdown_started', { reason: 'error', error: reason.error });
    else logger.info('shutdown_started', { reason: reason.type === 'signal' ? reason.signal : 'manual' });
    try {
      await close(reason);
    } catch (error) {
      logger.error('shutdown_failed', { error });
      throw error;
    }
    logger.info('shutdown_finished');
    // A rejection with `undefined` carries no error for close-with-grace to see: it must still exit with 1.
    if (reason.type === 'error') throw new Error('uncaught error');
  };
  const handle = closeWithGrace(
    {
      delay: timeoutMs,
      logger: false,
      skip: NOT_OURS,
      onSecondSignal: (signal) => logger.error('shutdown_forced', { reason: signal }),
      onSecondError: (error) => logger.error('shutdown_forced', { reason: 'error', error }),
      onTimeout: (delayMs) => logger.error('shutdown_timed_out', { timeoutMs: delayMs }),
    },
    run,
  );
  return { trigger: () => handle.close(), uninstall: () => handle.uninstall() };
};
