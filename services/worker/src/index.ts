export { OpenAiEngine } from './engines/openai/openai-engine.ts';
export type { OpenAiOptions } from './engines/openai/openai-engine.ts';
export { workerSettings } from './config.ts';
export { runWorker } from './run-worker.ts';
export { createWorker } from './worker.ts';
export type { Worker, WorkerDeps, WorkerOptions } from './worker.ts';
