import { flag, setting } from './setting.ts';

/** Read by edges and workers alike: both publish jobs, and workers pull what was placed. */
export const placementSetting = setting(flag().default(true), {
  env: 'SLUICE_PLACEMENT',
  about: 'Whether a session goes to the worker that is likely to hold its KV cache; off: to any.',
});
