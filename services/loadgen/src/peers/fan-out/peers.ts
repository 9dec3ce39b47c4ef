import { createRequire } from 'node:module';
import { z } from 'zod';
import type { PeerKind } from '../../clients/wire.ts';

/** A system that a fan-out is compared with. */
export type Peer = {
  readonly name: string;
  readonly version: string;
  /** what a fair person would choose */
  readonly settings: string;
  readonly script: URL;
  readonly kind: PeerKind;
  readonly options?: Readonly<Record<string, boolean>>;
};

/** A peer that this run was not compared with, and why. */
export type Absence = { readonly peer: string; readonly reason: string };

const packageSchema = z.object({ version: z.string() });
const require = createRequire(import.meta.url);
const versionOf = (name: string): string => packageSchema.parse(require(`${name}/package.json`)).version;

const script = (name: string): URL => new URL(`./${name}-main.ts`, import.meta.url);
const SOCKET_IO = {
  version: versionOf('socket.io'),
  script: script('socket-io'),
  kind: 'socket.io',
} as const;

export const TCP: Peer = {
  name: 'raw TCP',
  version: process.version,
  settings: 'node:net, noDelay, the edge’s own bytes',
  script: script('tcp'),
  kind: 'bytes',
};

export const PEERS: readonly Peer[] = [
  TCP,
  {
    name: 'ws.send',
    version: versionOf('ws'),
    settings: 'one Buffer for all, no compression',
    script: script('ws'),
    kind: 'relay',
  },
  {
    name: 'SSE',
    version: process.version,
    settings: 'node:http, noDelay, event made once',
    script: script('sse'),
    kind: 'sse',
  },
  { name: 'socket.io', settings: 'one room, WebSocket only', ...SOCKET_IO },
  {
    name: 'socket.io with recovery',
    settings: 'the same with connectionStateRecovery',
    ...SOCKET_IO,
    options: { recovery: true },
  },
];

const NOT_BUILT = 'no adapter in services/loadgen/src/peers yet';
export const ABSENT: readonly Absence[] = [
  'resumable-stream',
  'Nchan',
  'Centrifugo',
  'AnyCable-Go',
  'Sockudo',
].map((peer) => ({ peer, reason: NOT_BUILT }));
