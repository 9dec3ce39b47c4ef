export { createEngine, OpenAiEngine, SimulatedEngine, startMockServer, tokensOf } from './engines/index.ts';
export type { Engine, EngineRequest, EngineRun, MockServer, SimulatedOptions } from './engines/index.ts';
export { createWorker } from './worker.ts';
export type { Worker, WorkerDeps, WorkerOptions } from './worker.ts';
