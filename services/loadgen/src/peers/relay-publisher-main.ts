import { randomUUID } from 'node:crypto';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { serveRemote } from '../remote.ts';
import { relaySubject } from './relay-subject.ts';

export type RelayRun = {
  readonly natsUrl: string;
  readonly sessions: readonly string[];
  readonly tokensPerSecond: number;
  /** per session */
  readonly tokens: number;
};

/** Pieces of about the length that a model's tokens have. */
const PIECES = ['The', ' model', ' an', 'swers', ' in', ' pieces', ' of', ' this', ' length', '.'];
const SLOT_MS = 2;

const pieceAt = (seq: number): string => PIECES[(seq - 1) % PIECES.length] as string;

type Source = {
  readonly session: string;
  readonly generation: string;
  readonly phaseMs: number;
  seq: number;
};

let connection: NatsConnection | undefined;

/** The frames that an edge would send, already made: the relay only passes them on. */
const publishNext = (nc: NatsConnection, source: Source, isLast: boolean): void => {
  const { session, generation } = source;
  source.seq += 1;
  const { seq } = source;
  const ids = { session, generation, epoch: 0 };
  const delta = { type: 'delta', ...ids, from: seq - 1, seq, text: pieceAt(seq), at: Date.now() };
  nc.publish(relaySubject(session), JSON.stringify(delta));
  if (isLast) nc.publish(relaySubject(session), JSON.stringify({ type: 'end', ...ids, seq, reason: 'stop' }));
};

const api = {
  /** Publishes until all sessions have their tokens; answers with the text of each of them. */
  run: async ({ natsUrl, sessions, tokensPerSecond, tokens }: RelayRun): Promise<string> => {
    const nc = (connection ??= await connect({ servers: natsUrl, name: 'bench publisher' }));
    const intervalMs = 1000 / tokensPerSecond;
    const sources = sessions.map((session): Source => ({
      session,
      generation: randomUUID(),
      phaseMs: Math.random() * intervalMs,
      seq: 0,
    }));
    const startedAt = performance.now();
    for (let unfinished = sources.length; unfinished > 0;) {
      await new Promise((resolve) => setTimeout(resolve, SLOT_MS));
      const now = performance.now() - startedAt;
      for (const source of sources)
        while (source.seq < tokens && source.phaseMs + source.seq * intervalMs <= now) {
          publishNext(nc, source, source.seq + 1 === tokens);
          if (source.seq === tokens) unfinished -= 1;
        }
    }
    await nc.flush();
    return Array.from({ length: tokens }, (_, index) => pieceAt(index + 1)).join('');
  },
};
export type RelayPublisherApi = typeof api;

serveRemote(api);
