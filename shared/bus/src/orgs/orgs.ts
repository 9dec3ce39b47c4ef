import type { Org, OrgSettings } from '@sluice/protocol';
import type { Subscription } from '../token-log.ts';

/** `rev`: changes with each write; 0: nothing was ever set */
export type StoredOrgSettings = { readonly settings: OrgSettings; readonly rev: number };

/**
 * What is set for orgs. Settings that cannot be read count as none: their org is as any other. All methods throw
 * BusUnavailableError, and BusRefusedError where this NATS user may not do it.
 */
export type Orgs = {
  read(org: Org): Promise<StoredOrgSettings>;
  /** Replaces all of them. @returns false where `rev` is not the newest any more: nothing is written */
  write(org: Org, settings: OrgSettings, rev: number): Promise<boolean>;
  /** Of all orgs that have some. */
  list(): Promise<ReadonlyMap<Org, OrgSettings>>;
  /** Called for each write from now on, as far as the connection lasts; the listener must not throw. */
  onWrite(listener: (org: Org, settings: OrgSettings) => void): Promise<Subscription>;
};
