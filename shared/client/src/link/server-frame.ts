import type { GenerationState, ServerFrame, TitleFrame } from '@sluice/protocol';
import { ProtocolError } from '../errors.ts';

/** What a field must be. A list of strings: one of them. */
type Kind = 'string' | 'number' | 'object' | 'list' | readonly string[];
type Fields = Readonly<Record<string, Kind>>;

const OF_SESSION = { session: 'string' } as const;
const OF_GENERATION = { ...OF_SESSION, generation: 'string' } as const;
const STATES: readonly GenerationState[] = ['running', 'paused', 'parked', 'recovering', 'waiting'];

/** Of a title whoever wants it asks over HTTP. */
type KnownFrame = Exclude<ServerFrame, TitleFrame>;

/** The fields the SDK relies on. The rest are read with care where they are used. */
const EXPECTED: { readonly [Type in KnownFrame['type']]: Fields } = {
  ready: { connection: 'string', user: 'string', org: 'string', heartbeatMs: 'number', limits: 'object' },
  subscribed: { ...OF_SESSION, rev: 'number', viewers: 'number', items: 'list' },
  item: { ...OF_SESSION, rev: 'number', item: 'object' },
  removed: { ...OF_SESSION, item: 'string' },
  listed: { ...OF_SESSION, rev: 'number' },
  delta: { ...OF_GENERATION, epoch: 'number', from: 'number', seq: 'number', text: 'string' },
  reset: { ...OF_GENERATION, epoch: 'number' },
  state: { ...OF_GENERATION, state: STATES },
  end: { ...OF_GENERATION, epoch: 'number', seq: 'number', reason: 'string' },
  presence: { ...OF_SESSION, viewers: 'number' },
  signal: { ...OF_SESSION, user: 'string' },
  ok: { re: 'string' },
  error: { code: 'string', message: 'string' },
  expiring: { expiresAt: 'number' },
  goaway: { reconnectMs: 'number' },
  pong: {},
  open: { connection: 'string' },
  close: { code: 'number', reason: 'string' },
};

/** Frames that move no position and, without a `re`, answer no request. What makes no sense in one of them does no harm. */
const INFORMATIVE: ReadonlySet<string> = new Set<ServerFrame['type']>([
  'state',
  'presence',
  'signal',
  'error',
  'expiring',
  'goaway',
]);

const isKind = (value: unknown, kind: Kind): boolean => {
  if (typeof kind !== 'string') return kind.some((word) => word === value);
  if (kind === 'list') return Array.isArray(value);
  if (kind === 'object') return typeof value === 'object' && value !== null;
  return typeof value === kind;
};

/**
 * Parses one frame from the server.
 * @returns undefined for a type this version does not know, and for a frame that only informs and makes no
 * sense: additions must not break old clients; ProtocolError for text that is no frame, and for a frame without
 * which positions would be wrong
 */
export const parseServerFrame = (text: unknown): ServerFrame | ProtocolError | undefined => {
  let frame: unknown;
  try {
    frame = typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    frame = undefined;
  }
  if (!isKind(frame, 'object')) return new ProtocolError('expected a text frame with one JSON object');
  const fields = frame as Record<string, unknown>;
  const { type, re } = fields;
  if (typeof type !== 'string' || !Object.hasOwn(EXPECTED, type)) return undefined;
  const expected = EXPECTED[type as KnownFrame['type']];
  for (const name in expected) {
    const kind = expected[name] as Kind;
    if (isKind(fields[name], kind)) continue;
    if (INFORMATIVE.has(type) && re === undefined) return undefined;
    return new ProtocolError(`frame ${type}: expected \`${name}\` to be a ${String(kind)}`);
  }
  return frame as ServerFrame;
};
