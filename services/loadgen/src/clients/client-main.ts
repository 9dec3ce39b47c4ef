import type { Target } from './wire.ts';
import { Crowd } from './crowd.ts';
import type { Join, PromptOrder, RecordedFrame, Verification } from './crowd.ts';
import type { Received } from './tally.ts';
import type { Role } from './viewer.ts';
import { serveRemote } from '../remote.ts';

/** Viewers in a process of their own, so that what they cost is not taken for the edge's. */
const crowd = new Crowd();

const api = {
  open: ({ target, sessions }: { target: Target; sessions: readonly string[] }): Promise<void> =>
    crowd.open(target, sessions),
  subscribe: (role: Role | null): Promise<void> => crowd.subscribe(role ?? 'viewer'),
  begin: (_: null): void => crowd.begin(),
  prompt: (order: PromptOrder): Promise<void> => crowd.prompt(order),
  cancel: (_: null): Promise<void> => crowd.cancel(),
  cancelAll: (cancelsPerSecond: number): Promise<readonly number[]> => crowd.cancelAll(cancelsPerSecond),
  started: (count: number): Promise<void> => crowd.started(count),
  ended: (count: number): Promise<void> => crowd.ended(count),
  schedule: (intervalMs: number): void => crowd.schedule(intervalMs),
  mark: (_: null): void => crowd.mark(),
  read: (_: null): Received => crowd.read(),
  record: (_: null): void => crowd.record(),
  recorded: (_: null): readonly RecordedFrame[] => crowd.recorded(),
  verify: (text: string | null): Promise<Verification> => crowd.verify(text ?? undefined),
  fingerprints: (seq: number): Promise<Record<string, string>> => crowd.fingerprints(seq),
  join: (session: string): Promise<Join> => crowd.join(session),
  close: (_: null): void => crowd.close(),
};
export type ClientApi = typeof api;

serveRemote(api);
