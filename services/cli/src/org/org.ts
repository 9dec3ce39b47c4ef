import type { Bus } from '@sluice/bus';
import { parseOrg } from '@sluice/protocol';
import type { OrgSettings } from '@sluice/protocol';
import { CliError } from '../cli-error.ts';
import { findNats } from '../nats-target.ts';
import type { NatsFlags } from '../nats-target.ts';
import { changeSettings } from './settings-change.ts';
import { plainJson } from '../terminal/plain.ts';

/** Others may change the same settings meanwhile. */
const TRIES = 5;

/** Prints an org's settings as JSON on stdout. */
export const show = (org: string, flags: NatsFlags): Promise<void> =>
  withBus(flags, async (bus) => print((await bus.orgs.read(parseOrg(org))).settings));

/** Changes an org's settings and prints them. @throws CliError naming the field that is wrong */
export const set = (org: string, fields: readonly string[], flags: NatsFlags): Promise<void> =>
  withBus(flags, async ({ orgs }) => {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const { settings, rev } = await orgs.read(parseOrg(org));
      const changed = changeSettings(settings, fields);
      if (await orgs.write(parseOrg(org), changed, rev)) return print(changed);
    }
    throw new CliError(`${org}: expected to be alone, somebody else changes the same settings; try again`);
  });

const print = (settings: OrgSettings): void =>
  void process.stdout.write(`${plainJson(JSON.stringify(settings, undefined, 2))}\n`);

const withBus = async (flags: NatsFlags, run: (bus: Bus) => Promise<void>): Promise<void> => {
  const { createNatsBus } = await import('@sluice/bus');
  const bus = await createNatsBus(findNats(flags, 'sluice-org'));
  try {
    await run(bus);
  } finally {
    await bus.close();
  }
};
