/**
 * `sluice worker-check` and its three witnesses: our own worker and the example, which shares nothing with it, pass;
 * and whatever the example is made to do wrong, the clause about it fails.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CLAUSES, checkWorker } from '@sluice/cli';
import type { CheckOptions, Verdict } from '@sluice/cli';
import { readyMessage, startChild, startNatsServer } from '@sluice/testkit';
import type { Child, NatsServer } from '@sluice/testkit';
import { BROKEN_WORKERS } from './support/broken-workers.ts';
import type { BrokenWorker } from './support/broken-workers.ts';
import { openCommandLine } from './support/cli.ts';
import type { Outcome } from './support/cli.ts';
import { spawnWorker } from './support/processes.ts';

const ROOT = join(import.meta.dirname, '..');
const EXAMPLE = join(ROOT, 'examples/worker');
/** Broken workers are waited for in vain, so not for long. */
const BROKEN_TIMEOUT_S = 5;
/** Broken workers at once. */
const LANES = 12;
const SEEN = CLAUSES.filter((clause) => 'check' in clause).map(({ id }) => id);

/** What ran in one place: closed in reverse. */
class Scene {
  readonly #closers: (() => Promise<unknown>)[] = [];

  closeLater(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
  }
}

const optionsFor = ({ url }: NatsServer, options: Partial<CheckOptions> = {}): CheckOptions => ({
  ...{
    nats: { url, name: 'check' },
    model: 'counting',
    org: 'check',
    prompt: 'count',
    params: {},
    timeout: 20,
  },
  ...options,
});

const startNats = async (scene: Scene): Promise<NatsServer> => {
  const nats = await startNatsServer();
  scene.closeLater(() => nats.stop());
  // Streams are made by whoever has their settings; a worker in another language finds them.
  await checkWorker(optionsFor(nats, { only: [] }));
  return nats;
};

const startExample = async (scene: Scene, { url }: NatsServer, folder = EXAMPLE): Promise<Child> => {
  const env = { SLUICE_NATS_URL: url, NODE_OPTIONS: undefined };
  const worker = await startChild(process.execPath, [join(folder, 'worker.mjs')], { env });
  scene.closeLater(() => worker.kill());
  await readyMessage(worker);
  return worker;
};

/** Runs in a scene of its own, and closes it. */
const within = async <Result>(run: (scene: Scene) => Promise<Result>): Promise<Result> => {
  const scene = new Scene();
  try {
    return await run(scene);
  } finally {
    await scene.close();
  }
};

/** Of three workers one is killed and one asked to stop. */
const departures = ([killed, stopped]: readonly Child[]): Partial<CheckOptions> => ({
  pid: killed?.pid as number,
  stopCommand: `kill -TERM ${stopped?.pid}`,
});

const checkOurs = (): Promise<readonly Verdict[]> =>
  within(async (scene) => {
    const nats = await startNats(scene);
    const env = { SLUICE_SIMULATED_TOKENS_PER_SECOND: '100', SLUICE_SIMULATED_TTFT_MS: '20' };
    const start = async (): Promise<Child> => {
      const worker = await spawnWorker(nats.url, env);
      scene.closeLater(() => worker.kill());
      return worker;
    };
    const workers = await Promise.all([1, 2, 3].map(start));
    const params = { simulated: { tokens: 100_000 } };
    return checkWorker(optionsFor(nats, { model: 'simulated', params, ...departures(workers) }));
  });

const checkExample = (): Promise<readonly Verdict[]> =>
  within(async (scene) => {
    const nats = await startNats(scene);
    const workers = await Promise.all([1, 2, 3].map(() => startExample(scene, nats)));
    return checkWorker(optionsFor(nats, departures(workers)));
  });

const notPassed = (verdicts: readonly Verdict[]): readonly Verdict[] =>
  verdicts.filter(({ id, result }) => SEEN.includes(id) && result !== 'pass');

describe('a worker that keeps the contract passes', () => {
  let ours: readonly Verdict[];
  let example: readonly Verdict[];
  beforeAll(async () => {
    [ours, example] = await Promise.all([checkOurs(), checkExample()]);
  }, 150_000);

  test('our own worker keeps every clause, and another one goes on when it is killed', () => {
    expect(notPassed(ours)).toEqual([]);
  });

  test('the example, which knows only NATS and JSON, keeps every clause', () => {
    expect(notPassed(example)).toEqual([]);
  });
});

describe('a worker that breaks a clause fails it', () => {
  let copies: string;
  const results = new Map<string, readonly Verdict[]>();

  /** The example with one thing exchanged. */
  const breakExample = async ({ what, file, find, put }: BrokenWorker): Promise<string> => {
    const folder = join(copies, what.replaceAll(/\W+/g, '-'));
    await cp(EXAMPLE, folder, { recursive: true });
    const code = await readFile(join(folder, file), 'utf8');
    if (code.split(find).length !== 2) throw new Error(`${file}: expected once: ${find}`);
    await writeFile(
      join(folder, file),
      code.replace(find, () => put),
    );
    return folder;
  };

  const checkBroken = (broken: BrokenWorker): Promise<readonly Verdict[]> =>
    within(async (scene) => {
      const nats = await startNats(scene);
      await startExample(scene, nats, await breakExample(broken));
      return checkWorker(optionsFor(nats, { only: broken.breaks, timeout: BROKEN_TIMEOUT_S }));
    });

  beforeAll(async () => {
    // Below node_modules, so that copies find the example's packages.
    const cache = join(ROOT, 'node_modules/.cache');
    await mkdir(cache, { recursive: true });
    copies = await mkdtemp(join(cache, 'sluice-workers-'));
    const queue = BROKEN_WORKERS.values();
    const lane = async (): Promise<void> => {
      for (const broken of queue) results.set(broken.what, await checkBroken(broken));
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }, 300_000);
  afterAll(() => rm(copies, { recursive: true, force: true }));

  test.each(BROKEN_WORKERS.map(({ what, breaks }) => ({ what, breaks, clauses: breaks.join(', ') })))(
    'one that $what fails $clauses',
    ({ what, breaks }) => {
      const verdicts = results.get(what) ?? [];
      expect(verdicts.map(({ id, result }) => `${id} ${result}`)).toEqual(breaks.map((id) => `${id} fail`));
    },
  );

  test('each clause that is played has a worker that breaks it', () => {
    const broken = new Set(BROKEN_WORKERS.flatMap(({ breaks }) => breaks));
    // W41 and W42 need more than one worker: W39 has the witness of the one, the passes above of both.
    expect(SEEN.filter((id) => !broken.has(id))).toEqual(['W41', 'W42']);
  });
});

describe('the command', () => {
  const scene = new Scene();
  let run: (...args: readonly string[]) => Promise<Outcome>;
  beforeAll(async () => {
    const nats = await startNats(scene);
    await startExample(scene, nats);
    const cli = await openCommandLine();
    scene.closeLater(() => cli.close());
    run = (...args) => cli.run(['worker-check', '--nats-url', nats.url, ...args]);
  }, 60_000);
  afterAll(() => scene.close());

  test('prints what it saw as JSON for programs', async () => {
    const { code, stdout, stderr } = await run('--model', 'counting', '--only', 'W4,W13', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { ok, clauses } = JSON.parse(stdout) as { ok: boolean; clauses: Verdict[] };
    expect(ok).toBe(true);
    expect(clauses.map(({ id, result }) => `${id} ${result}`)).toEqual(['W4 pass', 'W13 not checked']);
  });

  test('says what was expected, what came and what to do, and fails', async () => {
    const { code, stdout } = await run('--model', 'no-such-model', '--only', 'W1');
    expect(code).toBe(1);
    const [first, second, , last] = stdout.split('\n');
    expect(first).toMatch(
      /^fail +W1 .+expected a live entry in WORKERS whose models name no-such-model; got none$/,
    );
    expect(second).toMatch(
      /^ +→ put WORKERS\/<worker> at the start and every 3 s; .+\(docs\/WORKERS\.md, W1\)$/,
    );
    expect(last).toBe('0 passed, 1 failed, 0 not checked');
  });

  test('refuses a clause that there is not', async () => {
    const refusal = 'sluice: --only: expected W1 to W44, got "W99"\n';
    expect(await run('--model', 'counting', '--only', 'W99')).toEqual({
      code: 1,
      stdout: '',
      stderr: refusal,
    });
  });
});
