import { isDeepStrictEqual } from 'node:util';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { StreamMismatchError } from '../bus.ts';
import type { NatsOptions } from './connection.ts';
import { wantedStreams } from './streams.ts';
import type { Wanted } from './streams.ts';

/**
 * Creates the streams, or checks those that exist: every service may start first.
 * @throws StreamMismatchError naming each setting that differs
 */
export const ensureStreams = async (jsm: JetStreamManager, options: NatsOptions): Promise<void> => {
  for (const wanted of wantedStreams(options)) {
    try {
      // A copy: the library writes into what it is given.
      await jsm.streams.add({ ...wanted });
    } catch (error) {
      // Whether it is the settings or the server that is not ready, the stream's own answer tells.
      const found = await jsm.streams.info(wanted.name).catch(() => undefined);
      if (found === undefined) throw error;
      const different = differences(wanted, found.config);
      if (different.length === 0) continue;
      throw new StreamMismatchError(
        `stream ${wanted.name} exists with other settings: ${different.join('; ')}. ${remedy(wanted, found.config)}`,
        { cause: error },
      );
    }
  }
};

const remedy = ({ name, subjects }: Wanted, found: StreamConfig): string =>
  !isDeepStrictEqual(subjects, found.subjects)
    ? `It is of an earlier Sluice, under other subjects. Let its generations end, stop every edge and ` +
      `worker, and delete it: \`nats stream rm ${name}\`. Finished answers are kept in SESSIONS.`
    : 'Change the configuration to match, or delete or edit the stream with the nats CLI.';

const differences = (wanted: Wanted, found: StreamConfig): string[] =>
  Object.entries(wanted)
    .filter(([field, value]) => !isDeepStrictEqual(value, found[field as keyof StreamConfig]))
    .map(([field, value]) => {
      const got = found[field as keyof StreamConfig];
      return `${field}: expected ${JSON.stringify(value)}, found ${JSON.stringify(got)}`;
    });
