import type { Engine } from '@sluice/core';
import { SimulatedEngine, startMockServer, simulatorClock } from '@sluice/simulator';
import type { SimulatorClock, MockFaults } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { OpenAiEngine } from '../../src/engines/openai/openai-engine.ts';
import { ModelNames } from '../../src/engines/openai/model-names.ts';
import { PROFILES } from '../../src/engines/openai/profile.ts';
import type { Profile } from '../../src/engines/openai/profile.ts';
import { describeEngineContract } from './engine-contract.ts';
import type { EngineHarness, EngineSubject } from './engine-contract.ts';

/** The system's clock, with a count of the timers that are set. */
const countingClock = (): SimulatorClock & { readonly pending: () => number } => {
  const open = new Set<object>();
  return {
    now: () => simulatorClock.now(),
    pending: () => open.size,
    setTimer: (callback, ms) => {
      const entry = {};
      open.add(entry);
      const fire = (): void => {
        open.delete(entry);
        callback();
      };
      const cancel = simulatorClock.setTimer(fire, ms);
      return () => {
        open.delete(entry);
        cancel();
      };
    },
  };
};

/** Counts generators that have begun and not ended, and what they yield. */
const counted = (engine: Engine): Pick<EngineSubject, 'engine' | 'running' | 'madeWhileUnread'> => {
  let running = 0;
  let made = 0;
  const generate: Engine['generate'] = async function* (request, signal) {
    signal.throwIfAborted();
    running += 1;
    try {
      const run = engine.generate(request, signal);
      for (;;) {
        const step = await run.next();
        if (step.done === true) return step.value;
        made += 1;
        yield step.value;
      }
    } finally {
      running -= 1;
    }
  };
  const wrapped: Engine = {
    name: engine.name,
    models: (signal) => engine.models(signal),
    canContinue: (prefix) => engine.canContinue(prefix),
    close: () => engine.close(),
    generate,
  };
  return { engine: wrapped, running: () => running, madeWhileUnread: async () => made };
};

const simulated: EngineHarness = {
  name: 'simulated',
  abortMs: 50,
  cuts: 100,
  start: async (options) => {
    const clock = countingClock();
    const inner = new SimulatedEngine({ ...options, clock });
    return {
      ...counted(inner),
      script: (request) => inner.script(request),
      leftovers: async () => clock.pending(),
      close: async () => undefined,
    };
  },
};

const openAi = (quirks: Profile, faults: MockFaults = {}): EngineHarness => ({
  name: `openai against ${quirks}${faults.sliceBytes === undefined ? '' : `, ${faults.sliceBytes} byte at a time`}`,
  // Byte by byte the server, which shares our event loop, keeps it busy.
  abortMs: faults.sliceBytes === undefined ? 50 : 250,
  cuts: faults.sliceBytes === undefined ? 60 : 10,
  start: async (options) => {
    const mock = await startMockServer({ quirks, simulated: options, faults });
    return {
      engine: new OpenAiEngine({
        ...{ upstream: mock.url, profile: quirks, apiKey: 'sk-secret' },
        // Not every server lists its models.
        names: new ModelNames({ models: options?.models }),
      }),
      script: (request) => mock.engine.script(request),
      running: () => mock.requests.filter(({ stoppedAt }) => stoppedAt === undefined).length,
      madeWhileUnread: async () => {
        const [request] = mock.requests;
        let seen: number | undefined;
        const isStill = (): boolean => {
          const before = seen;
          seen = request?.tokensGenerated;
          return request?.isBlocked === true && seen === before;
        };
        await waitFor(isStill, { what: 'the server to wait for its client', pollMs: 20, timeoutMs: 30_000 });
        return request?.tokensGenerated ?? 0;
      },
      leftovers: () =>
        waitFor(async () => ((await mock.connections()) === 0 ? 'none' : undefined), {
          what: 'no open connection',
        }).then(() => 0),
      close: () => mock.close(),
    };
  },
});

describeEngineContract(simulated);
for (const profile of PROFILES) describeEngineContract(openAi(profile));
describeEngineContract(openAi('vllm', { sliceBytes: 1 }));
