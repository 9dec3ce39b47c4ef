import type { NatsOptions } from '@sluice/bus';
import { ConfigError, checkNatsSettings, loadConfig, natsOptionsOf, natsSettings } from '@sluice/runtime';
import type { Environment } from '@sluice/runtime';
import { CliError } from './cli-error.ts';
import { readDemo } from './demo-file.ts';

export type NatsFlags = {
  /** servers separated by commas */
  readonly natsUrl?: string;
  /** copies of every stream there */
  readonly replicas?: 1 | 3;
};

/** Flags win over the environment; undefined changes nothing. */
const environmentWith = (flags: Readonly<Record<string, string | number | undefined>>): Environment => ({
  ...process.env,
  ...Object.fromEntries(
    Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]])),
  ),
});

/**
 * The NATS that is meant: what the options name, else that of the local `sluice up`, else the usual address. All else, who
 * this is and how large and lasting the streams are, is in the environment as it is for edges and workers.
 * @param name shown in NATS's list of connections
 * @throws CliError for settings that do not fit
 */
export const findNats = (flags: NatsFlags, name: string): NatsOptions => {
  const demo = readDemo();
  const natsUrl = flags.natsUrl ?? demo?.nats;
  const known = natsUrl !== undefined && natsUrl === demo?.nats ? demo.replicas : undefined;
  return natsOptions({ natsUrl, replicas: flags.replicas ?? known }, name);
};

/** The bus's options as a service on this machine would have them. @throws CliError for settings that do not fit */
export const natsOptions = (
  { natsUrl, replicas }: { readonly natsUrl: string | undefined; readonly replicas: number | undefined },
  name: string,
): NatsOptions => {
  const env = environmentWith({ SLUICE_NATS_URL: natsUrl, SLUICE_NATS_REPLICAS: replicas });
  try {
    return natsOptionsOf(loadConfig(natsSettings, env, { check: checkNatsSettings }), name);
  } catch (error) {
    throw error instanceof ConfigError ? new CliError(error.message) : error;
  }
};
