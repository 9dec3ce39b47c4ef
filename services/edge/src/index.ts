export { createEdge } from './edge.ts';
export type { Edge, EdgeDeps, EdgeOptions } from './edge.ts';
export { checkEdgeConfig, edgeConfigSchema } from './config.ts';
export type { EdgeConfig } from './config.ts';
