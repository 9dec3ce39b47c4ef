import { connect } from 'node:net';
import type { NatsOptions, StreamPlan, StreamState, WorkerInfo } from '@sluice/bus';
import { fail, isAtLeast, messageOf, ok, skipped } from './finding.ts';
import type { Finding } from './finding.ts';

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

type Servers = {
  /** of the first one that answers */
  readonly greeting: Greeting;
  readonly count: number;
  /** what is wrong with those that do not */
  readonly failures: readonly string[];
};

/** @throws Error when none of the servers greets */
const greetingsOf = async (url: string): Promise<Servers> => {
  const servers = url.split(',').map((part) => part.trim());
  const answers = await Promise.allSettled(servers.map(greetingOf));
  const failures = answers.flatMap((answer, index) =>
    answer.status === 'rejected' ? [`${withoutUser(servers[index] ?? '')}: ${messageOf(answer.reason)}`] : [],
  );
  const first = answers.find((answer) => answer.status === 'fulfilled');
  if (first === undefined) throw new Error(failures.join('; '));
  return { greeting: first.value, count: servers.length, failures };
};

const withoutUser = (url: string): string => url.replaceAll(/\/\/[^/@,]*@/g, '//');

export const checkNats = async (options: NatsOptions): Promise<readonly Finding[]> => {
  let servers: Servers;
  try {
    servers = await greetingsOf(options.url);
  } catch (error) {
    const advice = 'start it, or name another one with --nats-url or SLUICE_NATS_URL';
    const unknown = ['JetStream', 'streams', 'replicas', 'workers'].map((check) =>
      skipped(check, 'needs NATS'),
    );
    return [fail('NATS', messageOf(error), advice), ...unknown];
  }
  const { version, jetstream } = servers.greeting;
  const isNew = isAtLeast(version, MIN_NATS);
  const findings = [
    checkServers(servers, withoutUser(options.url)),
    jetstream
      ? ok('JetStream', 'on')
      : fail('JetStream', 'off', 'start nats-server with -c deploy/nats/single.conf'),
  ];
  if (isNew && jetstream) return [...findings, ...(await checkStreams(options))];
  return [
    ...findings,
    ...['streams', 'replicas', 'workers'].map((check) => skipped(check, 'needs JetStream')),
  ];
};

const checkServers = ({ greeting, count, failures }: Servers, shown: string): Finding => {
  const { version } = greeting;
  const wanted = MIN_NATS.join('.');
  if (!isAtLeast(version, MIN_NATS))
    return fail('NATS', `${version} at ${shown}, expected ${wanted} or newer`, 'upgrade nats-server');
  if (failures.length === 0) return ok('NATS', `${version} at ${shown}`);
  const found = `${failures.length} of ${count} servers do not answer: ${failures.join('; ')}`;
  return fail('NATS', found, 'start them again: a cluster of three that loses one more takes no writes');
};

/** How each stream stands beside its declaration; then, through the bus as a service opens it, the rest. */
const checkStreams = async (options: NatsOptions): Promise<readonly Finding[]> => {
  try {
    const different = await differencesFrom(options);
    if (different.length > 0) return [differ(different), ...withoutStreams()];
    const { createNatsBus } = await import('@sluice/bus');
    const bus = await createNatsBus(options);
    try {
      const streams = await bus.link.streams();
      return [checkFullness(streams), checkReplicas(streams), checkWorkers(await bus.workers.list())];
    } finally {
      await bus.close();
    }
  } catch (error) {
    const advice = 'follow what it says; for a login set SLUICE_NATS_USER and its password or files';
    return [fail('streams', messageOf(error), advice), ...withoutStreams()];
  }
};

const withoutStreams = (): readonly Finding[] =>
  ['replicas', 'workers'].map((check) => skipped(check, 'needs the streams'));

/** The streams that are not as declared. */
const differencesFrom = async (options: NatsOptions): Promise<readonly StreamPlan[]> => {
  const { openStreamAdmin } = await import('@sluice/bus');
  const admin = await openStreamAdmin(options);
  try {
    return (await admin.plans()).filter(({ type }) => type !== 'as_declared');
  } finally {
    await admin.close();
  }
};

const differ = (plans: readonly StreamPlan[]): Finding => {
  const found = plans.map((plan) =>
    'differences' in plan ? `${plan.stream}: ${plan.differences.join(', ')}` : `${plan.stream} is missing`,
  );
  const remedies = plans.flatMap((plan) => ('remedy' in plan ? `${plan.stream}: ${plan.remedy}` : []));
  const advice = 'run `sluice streams apply` with the settings of the services (--replicas, SLUICE_NATS_…)';
  return fail('streams', found.join('; '), [advice, ...remedies].join('; '));
};

const checkFullness = (streams: readonly StreamState[]): Finding => {
  const fullness = Math.max(...streams.map((stream) => stream.fullness));
  const percent = `${Math.round(fullness * 100)} %`;
  return fullness < 0.8
    ? ok('streams', `settings as expected, the fullest holds ${percent}`)
    : fail(
        'streams',
        `the fullest holds ${percent}: new prompts are refused`,
        'raise its limits, or wait for retention',
      );
};

/** Whether every stream has all its copies, and somebody to write to. */
const checkReplicas = (streams: readonly StreamState[]): Finding => {
  const [{ replicas } = { replicas: 1 }] = streams;
  if (replicas === 1) return ok('replicas', 'one copy of each stream: its disk is all there is');
  const problems = streams.flatMap(({ name, leader, behind }) => [
    ...(leader === undefined ? [`${name} has no leader`] : []),
    ...behind.map((server) => `${name} on ${server} is offline or behind`),
  ]);
  if (problems.length > 0)
    return fail(
      'replicas',
      problems.join('; '),
      'see that all servers run and reach each other on their routes',
    );
  const leaders = [...new Set(streams.map(({ leader }) => `${leader}`))].toSorted().join(', ');
  return ok('replicas', `${replicas} copies of each stream, all up to date; led by ${leaders}`);
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
