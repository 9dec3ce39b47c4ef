import { connect } from 'node:net';
import type { WorkerInfo } from '@sluice/bus';
import { fail, isAtLeast, messageOf, ok, skipped } from './finding.ts';
import type { Finding } from './finding.ts';

export type NatsCheckOptions = {
  /** servers separated by commas */
  readonly url: string;
  readonly replicas: number;
};

type Greeting = { readonly version: string; readonly jetstream: boolean };

const GREETING_MS = 2_000;
const MIN_NATS = [2, 11];
const MAX_GREETING_CHARS = 64 * 1024;

/**
 * The `INFO` line that every NATS server begins with, read by hand: it tells within two seconds whether there is
 * a server and which, where the services' own client keeps trying for ten.
 */
const greetingOf = (server: string): Promise<Greeting> =>
  new Promise((resolve, reject) => {
    const url = new URL(server.includes('://') ? server : `nats://${server}`);
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 4_222) });
    let text = '';
    socket.setTimeout(GREETING_MS, () => socket.destroy(new Error('no answer within 2 s')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without a greeting')));
    socket.on('data', (bytes) => {
      text += bytes.toString('utf8');
      const end = text.indexOf('\r\n');
      if (end === -1 && text.length < MAX_GREETING_CHARS) return;
      socket.destroy();
      if (!text.startsWith('INFO ') || end === -1) reject(new Error('what answers is no NATS server'));
      else resolve(parseGreeting(text.slice('INFO '.length, end)));
    });
  });

const parseGreeting = (json: string): Greeting => {
  const { version, jetstream } = JSON.parse(json) as { version?: unknown; jetstream?: unknown };
  return { version: String(version as string), jetstream: jetstream === true };
};

/** The first server of the list that greets. */
const firstGreeting = async (url: string): Promise<Greeting> => {
  const failures: string[] = [];
  for (const server of url.split(',').map((part) => part.trim())) {
    try {
      return await greetingOf(server);
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  throw new Error(failures.join('; '));
};

const withoutUser = (url: string): string => url.replaceAll(/\/\/[^/@,]*@/g, '//');

export const checkNats = async (options: NatsCheckOptions): Promise<readonly Finding[]> => {
  const shown = withoutUser(options.url);
  let greeting: Greeting;
  try {
    greeting = await firstGreeting(options.url);
  } catch (error) {
    const advice = 'start it, or name another one with --nats-url or SLUICE_NATS_URL';
    const unknown = ['JetStream', 'streams', 'workers'].map((check) => skipped(check, 'needs NATS'));
    return [fail('NATS', `${shown}: ${messageOf(error)}`, advice), ...unknown];
  }
  const { version, jetstream } = greeting;
  const isNew = isAtLeast(version, MIN_NATS);
  const findings = [
    isNew
      ? ok('NATS', `${version} at ${shown}`)
      : fail(
          'NATS',
          `${version} at ${shown}, expected ${MIN_NATS.join('.')} or newer`,
          'upgrade nats-server',
        ),
    jetstream
      ? ok('JetStream', 'on')
      : fail('JetStream', 'off', 'start nats-server with -c deploy/nats/single.conf'),
  ];
  if (isNew && jetstream) return [...findings, ...(await checkStreams(options))];
  return [...findings, skipped('streams', 'needs JetStream'), skipped('workers', 'needs JetStream')];
};

/** Opens the bus the way every service does, which checks the streams and creates missing ones. */
const checkStreams = async ({ url, replicas }: NatsCheckOptions): Promise<readonly Finding[]> => {
  const { createNatsBus } = await import('@sluice/bus');
  const { SLUICE_NATS_USER: user = '', SLUICE_NATS_PASSWORD: password = '' } = process.env;
  const login = user === '' ? {} : { user, password };
  try {
    const bus = await createNatsBus({ url, name: 'sluice-doctor', replicas, ...login });
    try {
      const fullness = await bus.link.fullness();
      return [checkFullness(fullness), checkWorkers(await bus.workers.list())];
    } finally {
      await bus.close();
    }
  } catch (error) {
    const advice =
      'follow what it says; for a cluster check --replicas, for a login SLUICE_NATS_USER and its password';
    return [fail('streams', messageOf(error), advice), skipped('workers', 'needs the streams')];
  }
};

const checkFullness = (fullness: number): Finding => {
  const percent = `${Math.round(fullness * 100)} %`;
  return fullness < 0.8
    ? ok('streams', `settings as expected, the fullest holds ${percent}`)
    : fail(
        'streams',
        `the fullest holds ${percent}: new prompts are refused`,
        'raise its limits, or wait for retention',
      );
};

const checkWorkers = (workers: readonly WorkerInfo[]): Finding => {
  if (workers.length === 0)
    return fail(
      'workers',
      'none is alive: prompts would wait',
      'start one, e.g. with `sluice up --workers 1`',
    );
  const models = [...new Set(workers.flatMap((worker) => worker.models))].toSorted().join(', ');
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
  return ok('workers', `${workers.length} alive with ${slots} slots, models: ${models}`);
};
