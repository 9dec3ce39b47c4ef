import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fail, isAtLeast, ok } from './finding.ts';
import type { Finding } from './finding.ts';

const MIN_NODE = [20, 19];
/** As deploy/nats/provision.sh wants it for the embedded server. */
const MIN_NATS_BINARY = [2, 14, 5];

export const checkNode = (): Finding =>
  isAtLeast(process.version, MIN_NODE)
    ? ok('Node', process.version)
    : fail(
        'Node',
        `${process.version}, expected v${MIN_NODE.join('.')} or newer`,
        'install one from https://nodejs.org',
      );

/** The places where provision.sh finds a server without fetching anything. */
const candidates = (): readonly string[] => {
  const { SLUICE_NATS_SERVER = '', XDG_CACHE_HOME = '' } = process.env;
  if (SLUICE_NATS_SERVER !== '') return [SLUICE_NATS_SERVER];
  const cache = join(XDG_CACHE_HOME.startsWith('/') ? XDG_CACHE_HOME : join(homedir(), '.cache'), 'sluice');
  try {
    const cached = readdirSync(cache).filter((name) => /^nats-server-\d/.test(name));
    return [...cached.map((name) => join(cache, name)), 'nats-server'];
  } catch {
    // No cache yet.
    return ['nats-server'];
  }
};

const versionOf = async (binary: string): Promise<string | undefined> => {
  try {
    const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: 5_000 });
    return /^nats-server: v([\d.]+)/.exec(stdout)?.[1];
  } catch {
    // Not there, or nothing that runs here.
    return undefined;
  }
};

/** Only needed where `sluice up` runs; fetches nothing. */
export const checkNatsBinary = async (): Promise<Finding> => {
  const check = 'nats-server binary';
  const minimum = MIN_NATS_BINARY.join('.');
  const seen: string[] = [];
  for (const binary of candidates()) {
    const version = await versionOf(binary);
    if (version !== undefined && isAtLeast(version, MIN_NATS_BINARY))
      return ok(check, `${version}, ${binary}`);
    seen.push(`${binary} ${version === undefined ? 'does not run' : `is ${version}`}`);
  }
  return fail(
    check,
    `${seen.join('; ')}; expected ${minimum} or newer`,
    'deploy/nats/provision.sh fetches one; or set SLUICE_NATS_SERVER to a path',
  );
};
