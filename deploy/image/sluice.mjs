#!/usr/bin/env node
/**
 * What the image runs; its argument says which program:
 *
 *     edge | worker      a service, with its settings from the environment
 *     health             exits with 0 while the service in this container is ready
 *     anything else      the command line, as in `streams apply` or `doctor`
 */

/** Where the services of this container answer /readyz, as their settings say. */
const adminPorts = () => [
  process.env.SLUICE_EDGE_ADMIN_PORT || '9090',
  process.env.SLUICE_WORKER_ADMIN_PORT || '9091',
];

const isReady = async (port) => {
  try {
    const { ok } = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) });
    return ok;
  } catch {
    // A container runs one service: nobody listens on the other one's port.
    return false;
  }
};

/** Beside this file in the image, where each program is one file. */
const load = (service) => import(new URL(`services/${service}/dist/main.js`, import.meta.url).href);

const PROGRAMS = {
  edge: () => load('edge'),
  worker: () => load('worker'),
  health: async () => {
    const ready = await Promise.all(adminPorts().map(isReady));
    process.exitCode = ready.includes(true) ? 0 : 1;
  },
};

const commandLine = async () => {
  const { main } = await load('cli');
  await main(process.argv);
};

await (PROGRAMS[process.argv[2]] ?? commandLine)();
