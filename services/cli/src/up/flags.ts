import { CliError } from '../cli-error.ts';
import { jwtSecretOf } from '../secrets.ts';
import { up } from './up.ts';

/** The options of `sluice up` as the command line gives them. */
export type UpFlags = {
  readonly host: string;
  readonly port: number;
  readonly adminPort?: number;
  readonly natsPort?: number;
  readonly natsNodes: 1 | 3;
  readonly natsUrl?: string;
  readonly edges: number;
  readonly workers: number;
  readonly jwtSecretFile?: string;
  readonly data?: string;
  readonly engine?: 'simulated' | 'openai';
  readonly upstream?: string;
  readonly model?: string;
  readonly web: boolean;
  readonly pretty?: boolean;
};

/** An upstream is reason enough for the engine that talks to it. @throws CliError when the two do not fit */
const engineOf = ({ engine, upstream }: UpFlags): 'simulated' | 'openai' => {
  if (engine === 'openai' && upstream === undefined)
    throw new CliError('--engine openai: expected --upstream with the base URL of the server, got none');
  if (engine === 'simulated' && upstream !== undefined)
    throw new CliError('--engine simulated: expected no --upstream, got one; leave out one of them');
  return engine ?? (upstream === undefined ? 'simulated' : 'openai');
};

export const upWithFlags = (flags: UpFlags): Promise<void> => {
  const { adminPort, natsPort, natsUrl, jwtSecretFile, data, upstream, model, ...rest } = flags;
  const pretty = flags.pretty ?? process.stderr.isTTY;
  const debug = process.env['SLUICE_LOG_LEVEL'] === 'debug';
  return up({
    ...rest,
    pretty,
    debug,
    adminPort,
    natsPort,
    natsUrl,
    jwtSecret: jwtSecretOf(jwtSecretFile),
    data,
    upstream,
    model,
    engine: engineOf(flags),
  });
};
