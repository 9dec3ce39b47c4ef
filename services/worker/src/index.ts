export { createWorker } from './worker.ts';
export type { Worker, WorkerDeps, WorkerOptions } from './worker.ts';
