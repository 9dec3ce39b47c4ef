import type { Org, OrgSettings } from '@sluice/protocol';
import type { Border } from '../border.ts';
import { parseOrgSettings } from '../messages.ts';
import type { Orgs } from '../orgs/orgs.ts';
import { liveOrgSubjects } from '../subjects.ts';
import { listen, putOrg } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryOrgs = (hub: MemoryHub, border: Border): Orgs => {
  const settingsIn = (text: string): OrgSettings => border.read('org_settings', text, parseOrgSettings) ?? {};
  const read = (org: Org): { settings: OrgSettings; rev: number } => {
    const { rev, text } = hub.orgs.get(org) ?? { rev: 0, text: '{}' };
    return { settings: settingsIn(text), rev };
  };
  return {
    read: (org) => Promise.resolve(read(org)),
    write: (org, settings, rev) => {
      const isCurrent = (hub.orgs.get(org)?.rev ?? 0) === rev;
      if (isCurrent) putOrg(hub, org, JSON.stringify(settings));
      return Promise.resolve(isCurrent);
    },
    list: () =>
      Promise.resolve(
        new Map([...hub.orgs].map(([org, { text }]) => [org as Org, settingsIn(text)] as const)),
      ),
    onWrite: (listener) => {
      const onPath = (org: string): void => listener(org as Org, read(org as Org).settings);
      return Promise.resolve(listen(hub.listeners, liveOrgSubjects, onPath));
    },
  };
};
