import type { ServerFrame } from '@sluice/protocol';
import { ProtocolError } from '../errors.ts';

type Kind = 'string' | 'number' | 'boolean' | 'object' | 'list';

/**
 * The fields the SDK relies on. Optional ones are not listed: they are read with care where they are used,
 * and a field nobody knows is ignored.
 */
const REQUIRED: { readonly [Type in ServerFrame['type']]: Readonly<Record<string, Kind>> } = {
  ready: { connection: 'string', user: 'string', org: 'string', heartbeatMs: 'number', limits: 'object' },
  subscribed: { session: 'string', rev: 'number', viewers: 'number', items: 'list' },
  item: { session: 'string', rev: 'number', item: 'object' },
  delta: {
    session: 'string',
    generation: 'string',
    epoch: 'number',
    from: 'number',
    seq: 'number',
    text: 'string',
  },
  reset: { session: 'string', generation: 'string', epoch: 'number' },
  state: { session: 'string', generation: 'string', state: 'string' },
  end: { session: 'string', generation: 'string', epoch: 'number', seq: 'number', reason: 'string' },
  presence: { session: 'string', viewers: 'number' },
  signal: { session: 'string', user: 'string' },
  ok: { re: 'string' },
  error: { code: 'string', message: 'string' },
  expiring: { expiresAt: 'number' },
  goaway: { reconnectMs: 'number' },
  pong: {},
  open: { connection: 'string' },
  close: { code: 'number', reason: 'string' },
};

const isKind = (value: unknown, kind: Kind): boolean => {
  if (kind === 'list') return Array.isArray(value);
  if (kind === 'object') return typeof value === 'object' && value !== null;
  return typeof value === kind;
};

/**
 * Parses one frame from the server.
 * @returns undefined for a type this version does not know: additions must not break old clients
 * @throws ProtocolError for text that is no frame, and for a known type without a field it needs
 */
export const parseServerFrame = (text: unknown): ServerFrame | undefined => {
  let frame: unknown;
  try {
    frame = typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    frame = undefined;
  }
  if (!isKind(frame, 'object')) throw new ProtocolError('expected a text frame with one JSON object');
  const fields = frame as Record<string, unknown>;
  const { type } = fields;
  if (typeof type !== 'string' || !Object.hasOwn(REQUIRED, type)) return undefined;
  const required = REQUIRED[type as ServerFrame['type']];
  for (const name in required) {
    const kind = required[name] as Kind;
    if (!isKind(fields[name], kind))
      throw new ProtocolError(`frame ${type}: expected \`${name}\` to be a ${kind}`);
  }
  return frame as ServerFrame;
};
