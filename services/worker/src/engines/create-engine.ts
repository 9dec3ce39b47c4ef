import type { Engine } from './engine.ts';
import { OpenAiEngine } from './openai/openai-engine.ts';
import type { OpenAiOptions } from './openai/openai-engine.ts';
import { SimulatedEngine } from './simulated/simulated-engine.ts';
import type { SimulatedOptions } from './simulated/simulated-engine.ts';

export type EngineConfig =
  ({ readonly engine: 'simulated' } & SimulatedOptions) | ({ readonly engine: 'openai' } & OpenAiOptions);

/** The engine that a worker's configuration names. @throws TypeError when its options make no sense */
export const createEngine = (config: EngineConfig): Engine =>
  config.engine === 'simulated' ? simulated(config) : openAi(config);

const simulated = ({ engine: _, ...options }: { readonly engine: 'simulated' } & SimulatedOptions): Engine =>
  new SimulatedEngine(options);

const openAi = ({ engine: _, ...options }: { readonly engine: 'openai' } & OpenAiOptions): Engine =>
  new OpenAiEngine(options);
