import type { OrgWatch } from '@sluice/bus';
import type { OrgQuota } from '@sluice/lifecycle';
import type { Org } from '@sluice/protocol';
import type { EdgeConfig } from './config.ts';
import type { quotaSettings } from './quota-settings.ts';
import type { StorageGate } from './requests/storage-gate.ts';

export type QuotaOptions = Pick<EdgeConfig, keyof typeof quotaSettings | 'maxConnections'>;

type Deps = {
  readonly orgs: Pick<OrgWatch, 'of'>;
  readonly storage: Pick<StorageGate, 'maxBytes'>;
};

/** What an org has of the system unless it was set otherwise: others are there as well. */
const SHARE = 0.1;
/** What a user has of that. */
const USER_SHARE = 0.5;

/** What an org and its users may have and do at the moment: as set for the org, else as this edge's settings say. */
export const quotaOf =
  (options: QuotaOptions, { orgs, storage }: Deps) =>
  (org: Org): OrgQuota => {
    const { quota = {} } = orgs.of(org);
    const { bytesStored = options.maxBytesPerOrg ?? Math.floor(storage.maxBytes * SHARE) } = quota.org ?? {};
    const own: OrgQuota = {
      user: {
        bytesPerMinute: options.bytesPerMinute,
        promptsPerMinute: options.promptsPerMinute,
        messagesPerMinute: options.messagesPerMinute,
        bytesStored: options.maxBytesPerUser ?? Math.floor(bytesStored * USER_SHARE),
        generations: options.maxGenerationsPerUser,
        connections: options.maxConnectionsPerUser,
      },
      org: {
        bytesPerMinute: options.bytesPerMinutePerOrg,
        promptsPerMinute: options.promptsPerMinutePerOrg,
        messagesPerMinute: options.messagesPerMinutePerOrg,
        bytesStored,
        generations: options.maxGenerationsPerOrg,
        connections: options.maxConnectionsPerOrg ?? Math.ceil(options.maxConnections * SHARE),
      },
    };
    return { user: { ...own.user, ...quota.user }, org: { ...own.org, ...quota.org } };
  };
