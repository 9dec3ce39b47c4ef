import { openNatsRevocations } from '@sluice/bus';
import type { Revocations } from '@sluice/bus';
import { parseOrg } from '@sluice/protocol';
import type { Revocation } from '@sluice/protocol';
import { CliError } from '../cli-error.ts';
import { findNats } from '../nats-target.ts';
import type { NatsFlags } from '../nats-target.ts';
import { plain } from '../terminal/plain.ts';

export type RevokeFlags = NatsFlags & {
  readonly org?: string;
  readonly user?: string;
  readonly tokenId?: string;
  readonly session?: string;
  readonly everybody?: true;
  /** ms since the Unix epoch */
  readonly before?: number;
  /** seconds */
  readonly for: number;
  readonly lift?: true;
  readonly list?: true;
};

type Target = Pick<Revocation, 'org' | 'of' | 'id'>;

/** @throws CliError unless exactly one thing is named */
const targetOf = ({ org, user, tokenId, session, everybody }: RevokeFlags): Target => {
  if (org === undefined) throw new CliError('--org: expected whose tokens are meant, got none');
  const named = [
    ...(user === undefined ? [] : [{ of: 'user', id: user } as const]),
    ...(tokenId === undefined ? [] : [{ of: 'token', id: tokenId } as const]),
    ...(session === undefined ? [] : [{ of: 'session', id: session } as const]),
    ...(everybody === undefined ? [] : [{ of: 'org', id: '' } as const]),
  ];
  const [target, more] = named;
  if (target !== undefined && more === undefined) return { org: parseOrg(org), ...target };
  throw new CliError(
    `expected one of --user, --token-id, --session and --everybody, got ${named.length === 0 ? 'none' : 'several'}`,
  );
};

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** A name is anybody's text, hence as JSON. */
const lineOf = ({ org, of, id, before, expiresAt }: Revocation): string => {
  const what = of === 'org' ? 'everybody' : `${of} ${JSON.stringify(id)}`;
  const which = of === 'token' ? '' : `, tokens issued until ${timeOf(before)}`;
  return `${what} of org ${org}${which}; counts until ${timeOf(expiresAt)}\n`;
};

const listed = async (revocations: Revocations): Promise<readonly Revocation[]> =>
  (await revocations.list()).revocations.filter(({ expiresAt }) => expiresAt > Date.now());

const change = async (revocations: Revocations, target: Target, flags: RevokeFlags): Promise<string> => {
  const now = Date.now();
  if (flags.lift === true) {
    await revocations.put({ ...target, before: 0, expiresAt: now });
    return `lifted: ${lineOf({ ...target, before: 0, expiresAt: now })}`;
  }
  const isSame = ({ org, of, id }: Revocation): boolean =>
    org === target.org && of === target.of && id === target.id;
  // One that is there already may be about tokens that outlive this one.
  const earlier = (await listed(revocations)).find(isSame);
  const revocation = {
    ...target,
    before: Math.max(flags.before ?? now, earlier?.before ?? 0),
    expiresAt: Math.max(now + flags.for * 1_000, earlier?.expiresAt ?? 0),
  };
  await revocations.put(revocation);
  return `revoked: ${lineOf(revocation)}`;
};

/** Revokes, lifts or lists. @throws CliError; BusUnavailableError, BusRefusedError */
export const revoke = async (flags: RevokeFlags): Promise<void> => {
  const target = flags.list === true ? undefined : targetOf(flags);
  const store = await openNatsRevocations(findNats(flags, 'sluice-revoke'));
  try {
    const text =
      target === undefined
        ? (await listed(store.revocations)).map(lineOf).join('')
        : await change(store.revocations, target, flags);
    process.stdout.write(plain(text));
  } finally {
    await store.close();
  }
};
