import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { silentLogger } from '@sluice/runtime';
import { NO_QUOTAS_ENV, startNatsServer, waitFor } from '@sluice/testkit';
import { createWorker } from '@sluice/worker';
import type { Engine } from '@sluice/core';
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { hasBrowser, openBrowser, WEB_DIST } from './browser.ts';
import { tokenFor } from './clients.ts';
import { spawnEdge, spawnWorker } from './processes.ts';

/** Says what it is told to, piece by piece: the last user message names the script. */
class ScriptedEngine implements Engine {
  readonly name = 'scripted';
  readonly scripts = new Map<string, readonly string[]>();

  models = async (): Promise<readonly string[]> => ['scripted'];
  canContinue = (): boolean => true;
  close = async (): Promise<void> => undefined;

  async *generate({ messages, prefix }: Parameters<Engine['generate']>[0]): ReturnType<Engine['generate']> {
    const script = this.scripts.get(String(messages.at(-1)?.content)) ?? [];
    for (const token of script.slice(prefix.length)) {
      // A turn of the event loop between tokens, so that pages see unfinished text.
      await new Promise((resolve) => setTimeout(resolve, 2));
      yield token;
    }
    return { reason: 'stop' };
  }
}

/** A browser, and an edge that serves it the web pages, with every process of the demo. */
export type WebSystem = {
  readonly url: string;
  readonly bus: Bus;
  /** what the model `scripted` says, by the user's message */
  readonly scripts: Map<string, readonly string[]>;
  /** somebody's browser: nothing in it is known to another one */
  newContext(options?: BrowserContextOptions): Promise<BrowserContext>;
  /** a page of a new person (or of a person anew), signed in by link */
  open(user: string, session: string, options?: BrowserContextOptions): Promise<Page>;
  closePages(): Promise<void>;
  close(): Promise<void>;
};

/** One for all tests of a file, each of which begins without pages; none where browser tests are skipped. */
export const useWebSystem = (): (() => WebSystem) => {
  let web: WebSystem | undefined;
  beforeAll(async () => {
    if (hasBrowser || process.env['CI'] === 'true') web = await startWebSystem();
  }, 60_000);
  afterEach(() => web?.closePages());
  afterAll(() => web?.close(), 30_000);
  return () => {
    if (web === undefined) throw new Error('the web system has not started');
    return web;
  };
};

/** @throws Error as `openBrowser` does, and when a process does not start */
const startWebSystem = async (): Promise<WebSystem> => {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    return { ...(await startParts(closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
};

const modelsAt = async (url: string): Promise<readonly unknown[]> => {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  const answer = await fetch(`${url}/v1/models`, { headers });
  return ((await answer.json()) as { data: readonly unknown[] }).data;
};

const startParts = async (closers: (() => Promise<unknown>)[]): Promise<Omit<WebSystem, 'close'>> => {
  const browser = await openBrowser();
  closers.push(() => browser.close());
  const nats = await startNatsServer();
  closers.push(() => nats.stop());
  const { child: edge, url } = await spawnEdge(nats.url, {
    SLUICE_LOG_LEVEL: 'warn',
    SLUICE_EDGE_WEB_DIR: WEB_DIST,
    SLUICE_DEFAULT_MODEL: 'simulated',
    // The pages keep within what every user may.
    ...Object.fromEntries(Object.keys(NO_QUOTAS_ENV).map((name) => [name, undefined])),
    SLUICE_EDGE_REQUESTS_PER_SECOND: undefined,
  });
  closers.push(() => edge.kill());
  const worker = await spawnWorker(nats.url, {
    SLUICE_LOG_LEVEL: 'warn',
    SLUICE_SIMULATED_TTFT_MS: '50',
    SLUICE_SIMULATED_TOKENS_PER_SECOND: '150',
  });
  closers.push(() => worker.kill('SIGTERM'));
  const bus = await createNatsBus({ url: nats.url, name: 'e2e' });
  closers.push(() => bus.close());
  const engine = new ScriptedEngine();
  const scripted = await createWorker(
    { name: 'scripted', slots: 10, models: ['scripted'] },
    { bus, engine, logger: silentLogger },
  );
  closers.push(() => scripted.close());
  // Pages ask when they connect: those that come first would miss a model.
  await waitFor(async () => (await modelsAt(url)).length === 2, { what: 'both models', timeoutMs: 20_000 });

  const contexts: BrowserContext[] = [];
  const newContext = async (options: BrowserContextOptions = {}): Promise<BrowserContext> => {
    const context = await browser.newContext(options);
    contexts.push(context);
    return context;
  };
  return {
    ...{ url, bus, newContext },
    scripts: engine.scripts,
    open: async (user, session, options = {}) => {
      const context = await newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      await page.goto(`${url}/#token=${tokenFor(user)}&session=${session}`);
      await page.getByText('Live', { exact: true }).waitFor();
      return page;
    },
    closePages: async () => {
      for (const context of contexts.splice(0)) await context.close();
    },
  };
};
