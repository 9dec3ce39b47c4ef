import { expect } from '@jest/globals';
import type { RunReport } from '../report.ts';
import { killEdges, killLeader, killNats } from './plays.ts';
import { longest, p95, playRows } from './row.ts';

/** Each session is watched by one viewer of every transport: the oracle wants the same text of all three. */
const LOAD = { sessions: 3, viewers: 3, tokens: 300, transports: ['websocket', 'sse', 'poll'] } as const;

const gapOf =
  (mostMs: number) =>
  ({ timings }: RunReport): void =>
    expect(longest(timings.gaps)).toBeLessThanOrEqual(mostMs);

playRows('fallbacks of WebSockets', [
  {
    id: 'F29',
    title: 'F1 over WebSocket, event stream and polling',
    target: 'the same text over each, gap <= 3 s + 5 s',
    options: { load: LOAD },
    play: killNats(2),
    holds: gapOf(8_000),
  },
  {
    id: 'F29',
    title: 'F2 over WebSocket, event stream and polling',
    target: 'the same text over each, gap <= 12 s',
    options: { on: 'R3', load: LOAD },
    play: killLeader(1),
    holds: gapOf(12_000),
  },
  {
    id: 'F29',
    title: 'F9 over WebSocket, event stream and polling',
    target: 'the same text over each, resume p95 <= 5 s',
    options: { load: LOAD },
    play: killEdges(2),
    holds: ({ timings }) => {
      expect(timings.resumes.length).toBeGreaterThan(0);
      expect(p95(timings.resumes)).toBeLessThanOrEqual(5_000);
    },
  },
]);
