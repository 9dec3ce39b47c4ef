/** docs/PROTOCOL.md and the code say the same: every frame, field, code and limit, in both directions. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as protocol from '../src/index.ts';
import type {
  ControlAck,
  ControlCancel,
  EndReason,
  GenerationItem,
  MessageItem,
  ServerFrame,
  TokenRecord,
} from '../src/index.ts';
import { z } from 'zod';
import { frameSchemas, generationItemSchema, messageItemSchema, serverFrameSchemas } from '../src/schema.ts';

const page = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8');

const between = (text: string, start: string, end: RegExp): string => {
  const from = text.indexOf(start);
  if (from === -1) throw new Error(`docs/PROTOCOL.md: expected a part that starts with "${start}"`);
  const rest = text.slice(from + start.length);
  const to = rest.search(end);
  return to === -1 ? rest : rest.slice(0, to);
};

const chapter = (title: string): string => between(page, `\n## ${title}`, /^## /m);

/** The body rows of the tables in a text, cell by cell. */
const rowsOf = (text: string): string[][] => {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const isRule = (line: string | undefined): boolean => /^\|[\s|-]+$/.test(line ?? '');
  return lines
    .filter((line, i) => !isRule(line) && !isRule(lines[i + 1]))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
};

const unquoted = (cell: string | undefined): string => /^`([^`]+)`$/.exec(cell ?? '')?.[1] ?? '';

type Fields = Readonly<Record<string, 'required' | 'optional'>>;

const fieldsOf = (text: string): Fields =>
  Object.fromEntries(
    rowsOf(text).map(([field, , required]) => {
      expect(['yes', 'no']).toContain(required);
      return [unquoted(field), required === 'yes' ? 'required' : 'optional'];
    }),
  );

/** The parts of a chapter by the name in their heading. */
const partsOf = (text: string): Map<string, string> =>
  new Map(
    text
      .split(/^### /m)
      .slice(1)
      .map((part) => [/^`([^`]+)`/.exec(part)?.[1] ?? part.split('\n', 1)[0] ?? '', part]),
  );

/** Exactly the keys of a type, each with whether it is required: does not compile when one is missing. */
type FieldsOf<T> = {
  readonly [Key in Exclude<keyof T, 'type'>]-?: Record<never, never> extends Pick<T, Key>
    ? 'optional'
    : 'required';
};

const [required, optional] = ['required', 'optional'] as const;
const place = { session: required, generation: required } as const;
const SERVER_FIELDS: {
  readonly [Type in ServerFrame['type']]: FieldsOf<Extract<ServerFrame, { type: Type }>>;
} = {
  ready: {
    connection: required,
    user: required,
    org: required,
    expiresAt: required,
    heartbeatMs: required,
    limits: required,
  },
  subscribed: {
    session: required,
    rev: required,
    store: optional,
    reset: optional,
    viewers: required,
    present: optional,
    title: optional,
    items: required,
    removed: optional,
    more: optional,
  },
  item: { session: required, rev: required, item: required },
  removed: { session: required, rev: required, item: required },
  title: { session: required, title: optional },
  listed: { session: required, rev: required },
  delta: {
    ...place,
    epoch: required,
    from: required,
    seq: required,
    text: required,
    kind: optional,
    tool: optional,
    part: optional,
    at: required,
  },
  reset: { ...place, epoch: required, reason: required },
  state: { ...place, state: required },
  end: {
    ...place,
    epoch: required,
    seq: required,
    reason: required,
    usage: optional,
    error: optional,
    receipt: optional,
  },
  presence: { session: required, viewers: required, joined: optional, left: optional, present: optional },
  signal: { session: required, user: required, data: required },
  ok: { re: required, generation: optional, created: optional },
  error: {
    re: optional,
    code: required,
    message: required,
    retryable: required,
    retryAfterMs: optional,
    session: optional,
    generation: optional,
  },
  expiring: { expiresAt: required },
  goaway: { reconnectMs: required },
  pong: {},
  open: { connection: required },
  close: { code: required, reason: required },
};

const common = { id: required, kind: required, rev: required, user: required, createdAt: required } as const;
const GENERATION_ITEM: FieldsOf<GenerationItem> = {
  ...common,
  model: required,
  input: required,
  governor: required,
  status: required,
  attempt: required,
  epoch: required,
  seq: required,
  text: optional,
  reasoning: optional,
  refusal: optional,
  toolCalls: optional,
  parts: optional,
  preview: optional,
  bodies: optional,
  reason: optional,
  usage: optional,
  error: optional,
  receipt: optional,
};
const MESSAGE_ITEM: FieldsOf<MessageItem> = { ...common, text: required, data: optional, bodies: optional };
const TOKEN_RECORD: FieldsOf<TokenRecord> = {
  v: required,
  epoch: required,
  attempt: required,
  base: required,
  at: required,
  tokens: required,
  end: optional,
};
const CONTROL_ACK: FieldsOf<ControlAck> = {
  edge: required,
  epoch: required,
  seq: required,
  viewers: required,
};
const CONTROL_CANCEL: FieldsOf<ControlCancel> = { user: required };
const END_REASONS: Record<EndReason, true> = {
  stop: true,
  length: true,
  tool_calls: true,
  content_filter: true,
  cancelled: true,
  abandoned: true,
  error: true,
};

/** The fields that a schema has, but for `type`. */
const fieldsIn = ({ shape }: z.ZodObject): Fields => {
  const { properties = {}, required: named = [] } = z.toJSONSchema(z.object(shape));
  return Object.fromEntries(
    Object.keys(properties)
      .filter((name) => name !== 'type')
      .map((name) => [name, named.includes(name) ? required : optional]),
  );
};

describe('client frames', () => {
  const parts = partsOf(chapter('2. Client frames'));

  test('are the ones of the page', () => {
    expect([...parts.keys()]).toEqual([...protocol.CLIENT_FRAME_TYPES]);
    expect(Object.keys(frameSchemas)).toEqual([...protocol.CLIENT_FRAME_TYPES]);
  });

  test.each(protocol.CLIENT_FRAME_TYPES)('%s has the fields of the page', (type) => {
    const schema = frameSchemas[type];
    const missing = new Set(schema.safeParse({ type }).error?.issues.map(({ path }) => path[0]));
    const inCode = Object.keys(schema.shape)
      .filter((name) => name !== 'type' && name !== 'id')
      .map((name) => [name, missing.has(name) ? required : optional]);
    expect(fieldsOf(parts.get(type) ?? '')).toEqual(Object.fromEntries(inCode));
    expect(Object.keys(schema.shape)).toContain('id');
  });
});

describe('server frames', () => {
  const parts = partsOf(chapter('3. Server frames'));

  test('are the ones of the page', () => {
    expect([...parts.keys()]).toEqual([...protocol.SERVER_FRAME_TYPES]);
    expect(Object.keys(SERVER_FIELDS)).toEqual([...protocol.SERVER_FRAME_TYPES]);
  });

  test.each(protocol.SERVER_FRAME_TYPES)('%s has the fields of the page', (type) => {
    expect(fieldsOf(parts.get(type) ?? '')).toEqual(SERVER_FIELDS[type]);
    expect(fieldsIn(serverFrameSchemas[type])).toEqual(SERVER_FIELDS[type]);
  });
});

describe('shapes', () => {
  const shapes = chapter('4. Shared shapes');
  const workers = chapter('8. Workers');

  test.each<[string, string, Fields]>([
    ['an item of a generation', between(shapes, '### `Item` of kind `generation`', /^###/m), GENERATION_ITEM],
    ['an item of a message', between(shapes, '### `Item` of kind `message`', /^###/m), MESSAGE_ITEM],
    ['a token record', between(workers, '### `TokenRecord`', /^###/m), TOKEN_RECORD],
    ['an ack to a worker', between(workers, '#### `ack`', /^###/m), CONTROL_ACK],
    ['a cancel to a worker', between(workers, '#### `cancel`', /^###/m), CONTROL_CANCEL],
  ])('of %s have the fields of the page', (_, text, fields) => expect(fieldsOf(text)).toEqual(fields));

  test('of items have the fields of their schemas', () => {
    expect(fieldsIn(generationItemSchema)).toEqual(GENERATION_ITEM);
    expect(fieldsIn(messageItemSchema)).toEqual(MESSAGE_ITEM);
  });

  test('of ends have the reasons of the page', () => {
    const reasons = rowsOf(between(shapes, '\n\n', /^### /m)).map(([reason]) => unquoted(reason));
    expect(reasons).toEqual(Object.keys(END_REASONS));
  });

  test('in the example are parsed as the page says', () => {
    const [example] = /^ {4}\{"v":2.*$/m.exec(workers) ?? [];
    expect(protocol.headOf(protocol.parseRecord(example ?? ''))).toBe(34);
  });
});

test('error codes, and whether they are retryable, are those of the page', () => {
  const rows = rowsOf(chapter('6. Error codes')).map(([code, retryable]) => [unquoted(code), retryable]);
  expect(rows).toEqual(protocol.ERROR_CODES.map((code) => [code, protocol.isRetryable(code) ? 'yes' : 'no']));
});

test('close codes, and whether one may reconnect, are those of the page', () => {
  const rows = rowsOf(chapter('7. Close codes')).map(([code, name, may]) => [unquoted(name), code, may]);
  expect(rows).toEqual(
    Object.entries(protocol.CLOSE_CODES).map(([name, code]) => [
      name,
      `${code}`,
      protocol.mayReconnect(code) ? 'yes' : 'no',
    ]),
  );
});

describe('limits', () => {
  const text = between(page, '### 1.5 Limits', /^##+ /m);
  const [configurable = '', fixed = ''] = text.split('Fixed in this version:');
  const valuesOf = (table: string): [string, string][] =>
    rowsOf(table).map(([name, value]) => [unquoted(name), unquoted(value) || (value ?? '')]);

  test('and their defaults are those of the page', () => {
    const inCode = Object.entries(protocol.DEFAULT_LIMITS).map(([name, value]) => [name, `${value}`]);
    expect(valuesOf(configurable)).toEqual(inCode);
  });

  test('that are fixed are those of the page', () => {
    const isConstant = ([name, value]: [string, unknown]): boolean =>
      /^[A-Z_]+$/.test(name) && (typeof value === 'number' || typeof value === 'string');
    const inCode = Object.entries(protocol)
      .filter(isConstant)
      .map(([name, value]) => [name, `${value as string | number}`]);
    expect(Object.fromEntries(valuesOf(fixed))).toEqual(Object.fromEntries(inCode));
  });
});

test('every rule is on the page once, in order', () => {
  expect(chapter('5. Rules').match(/\*\*R\d\*\*/g)).toEqual(
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `**R${n}**`),
  );
});
