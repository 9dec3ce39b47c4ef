import { dayOf } from '@sluice/core';
import type { Border } from '../border.ts';
import { parseUsageRecord } from '../messages.ts';
import { usageSubject, usageSubjects } from '../subjects.ts';
import { MAX_USAGE_PAGE } from '../usage-ledger.ts';
import type { UsageLedger } from '../usage-ledger.ts';
import { putUsage } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryUsageLedger = (hub: MemoryHub, border: Border): UsageLedger => ({
  append: (key, record) => {
    putUsage(hub, usageSubject(key, dayOf(record.endedAt)), JSON.stringify(record));
    return Promise.resolve();
  },
  read: (org, day, after = 0) => {
    const prefix = usageSubjects(org, day).replace('*.*', '');
    const found = [...hub.usage].flatMap(([subject, text], index) =>
      index + 1 > after && subject.startsWith(prefix) ? [{ text, seq: index + 1 }] : [],
    );
    const page = found.slice(0, MAX_USAGE_PAGE);
    const records = page.flatMap(({ text }) => border.read('usage', text, parseUsageRecord) ?? []);
    return Promise.resolve({
      records,
      last: page.at(-1)?.seq ?? after,
      more: found.length > page.length,
    });
  },
});
