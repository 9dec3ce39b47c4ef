import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { namesOf, startClient } from '../bench.ts';
import type { Measure, Row } from '../bench.ts';
import { startSystem } from '../system.ts';

const STREAM = 'TOKENS';
const TOKENS = 320;
const TOKENS_PER_SECOND = 20;
/**
 * Of the sessions of P2: a load that most machines can follow, so that a record holds one token as it would. Not fewer: the
 * file that is being written is not compacted, and would weigh too much.
 */
const SHARE = 0.5;
const MAX_BYTES = 20;
const MAX_FILE_BYTES = 50;

/** P13: what the token log keeps of each token, on a system of its own that stores nothing else. */
export const stored: Measure = {
  name: 'stored bytes',
  ids: ['P13'],
  run: async ({ size, say }) => {
    const system = await startSystem();
    const viewers = startClient();
    try {
      const count = Math.ceil(size.sessions * SHARE);
      say(`P13 stored bytes, ${count} x ${TOKENS} tokens`);
      const edge = await system.addEdge();
      await viewers.call('open', { target: edge.target, sessions: namesOf('kept', count) });
      await viewers.call('subscribe', null);
      await viewers.call('begin', null);
      const simulated = { source: 'ngram', tokens: TOKENS, tokensPerSecond: TOKENS_PER_SECOND, ttftMs: 0 };
      await viewers.call('prompt', { count, overMs: 1_000, body: { params: { simulated } } });
      await viewers.call('ended', count);
      const verification = await viewers.call('verify', null);
      const bytes = await streamBytes(system.natsMonitorUrl);
      const fileBytes = await bytesBelow(join(system.natsStoreDir, 'jetstream', '$G', 'streams', STREAM));
      const tokens = count * TOKENS;
      return { rows: [rowOf(bytes / tokens, fileBytes / tokens, tokens)], verifications: [verification] };
    } finally {
      await viewers.close();
      await system.close();
    }
  },
};

const rowOf = (bytes: number, fileBytes: number, tokens: number): Row => ({
  id: 'P13',
  what: `stored in the token log for each token, of answers of ${TOKENS}; size of its files`,
  target: `<= ${MAX_BYTES}, ${MAX_FILE_BYTES} bytes`,
  value: `${bytes.toFixed(1)}, ${fileBytes.toFixed(1)} bytes`,
  ok: bytes <= MAX_BYTES && fileBytes <= MAX_FILE_BYTES,
  figures: { bytes, fileBytes, tokens },
});

type Account = {
  readonly stream_detail?: readonly { readonly name: string; readonly state: { readonly bytes: number } }[];
};

const streamBytes = async (monitorUrl: string): Promise<number> => {
  const answer = await fetch(`${monitorUrl}/jsz?accounts=true&streams=true`);
  const { account_details = [] } = (await answer.json()) as { account_details?: readonly Account[] };
  const found = account_details.flatMap(({ stream_detail = [] }) => stream_detail);
  const bytes = found.find(({ name }) => name === STREAM)?.state.bytes;
  if (bytes === undefined) throw new Error(`${monitorUrl}/jsz: expected the stream ${STREAM}`);
  return bytes;
};

const bytesBelow = async (folder: string): Promise<number> => {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = files.filter((file) => file.isFile()).map((file) => sizeOf(join(file.parentPath, file.name)));
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
};

/** A file may be replaced by its compacted self meanwhile. */
const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );
