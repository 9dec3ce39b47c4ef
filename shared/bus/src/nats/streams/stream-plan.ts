import { isDeepStrictEqual } from 'node:util';
import { JetStreamApiError } from '@nats-io/jetstream';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import type { NatsOptions } from '../connection/connection.ts';
import { wantedStreams } from './streams.ts';
import type { Wanted } from './streams.ts';

/** How a stream stands beside its declaration, and what would make it as declared. */
export type StreamPlan =
  | { readonly type: 'as_declared' | 'missing'; readonly stream: string }
  | { readonly type: 'changeable'; readonly stream: string; readonly differences: readonly string[] }
  | {
      readonly type: 'unchangeable';
      readonly stream: string;
      readonly differences: readonly string[];
      /** what to do instead */
      readonly remedy: string;
    };

const STREAM_NOT_FOUND = 10059;

/** The server changes these in no stream that exists. Denials are ours to set, and it never unsets them. */
const FIXED: ReadonlySet<string> = new Set(['storage', 'retention', 'allow_msg_counter']);

type Difference = { readonly field: string; readonly expected: unknown; readonly found: unknown };

const differencesOf = (wanted: Wanted, found: StreamConfig): readonly Difference[] => {
  const fields = new Map<string, unknown>(Object.entries(found));
  return Object.entries(wanted)
    .map(([field, expected]) => ({ field, expected, found: fields.get(field) }))
    .filter(({ expected, found: got }) => !isDeepStrictEqual(expected, got));
};

const textOf = ({ field, expected, found }: Difference): string =>
  `${field}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`;

/** Undefined where the server takes the change. */
const remedyOf = (stream: string, differences: readonly Difference[]): string | undefined => {
  const fields = differences.map(({ field }) => field);
  if (fields.includes('subjects'))
    return (
      `It is of an earlier Sluice, under other subjects. Let its generations end, stop every edge and ` +
      `worker, and delete it: \`nats stream rm ${stream}\`. Finished answers are kept in SESSIONS.`
    );
  const stuck = fields.filter((field) => FIXED.has(field));
  if (stuck.length === 0) return undefined;
  return (
    `The server cannot change ${stuck.join(', ')} of a stream. Stop every edge and worker, ` +
    `back it up with the nats CLI, delete it, and run \`sluice streams apply\`.`
  );
};

/** @param found undefined where there is no such stream */
export const planOf = (wanted: Wanted, found: StreamConfig | undefined): StreamPlan => {
  const stream = wanted.name;
  if (found === undefined) return { type: 'missing', stream };
  const different = differencesOf(wanted, found);
  if (different.length === 0) return { type: 'as_declared', stream };
  const remedy = remedyOf(stream, different);
  const differences = different.map(textOf);
  return remedy === undefined
    ? { type: 'changeable', stream, differences }
    : { type: 'unchangeable', stream, differences, remedy };
};

/** Changes nothing. */
export const planStreams = (jsm: JetStreamManager, options: NatsOptions): Promise<StreamPlan[]> =>
  Promise.all(wantedStreams(options).map(async (wanted) => planOf(wanted, await configOf(jsm, wanted.name))));

/** Undefined where there is no such stream. */
export const configOf = async (jsm: JetStreamManager, stream: string): Promise<StreamConfig | undefined> => {
  try {
    return (await jsm.streams.info(stream)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
};

/** Makes or changes what a plan says; settings that are not declared stay as they are. */
export const carryOut = async (
  jsm: JetStreamManager,
  options: NatsOptions,
  { type, stream }: StreamPlan,
): Promise<void> => {
  const wanted = wantedStreams(options).find(({ name }) => name === stream);
  if (wanted === undefined) throw new TypeError(`expected a stream of ours, got ${stream}`);
  // Copies: the library writes into what it is given.
  if (type === 'missing') await jsm.streams.add({ ...wanted });
  if (type === 'changeable') await jsm.streams.update(stream, { ...wanted });
};
