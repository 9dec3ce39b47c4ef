export { createEdge } from './edge.ts';
export type { Edge, EdgeDeps } from './edge.ts';
export { checkEdgeConfig, edgeConfigSchema } from './config.ts';
export type { EdgeConfig, EdgeOptions } from './config.ts';
