/** Zod schemas of what is set for an org. */
import { z } from 'zod';
import type { OrgSettings, Quota } from '../org-settings.ts';

const most = z.int().min(0).exactOptional();
const quota = {
  bytesPerMinute: most,
  promptsPerMinute: most,
  messagesPerMinute: most,
  bytesStored: most,
  generations: most,
  connections: most,
} satisfies Readonly<Record<keyof Quota, z.ZodType>>;

const dollars = z.number().min(0).exactOptional();
const retention = { sessionsMs: z.int().min(60_000).exactOptional() };
const price = { input: dollars, cached: dollars, output: dollars };
const models = z.array(z.string().min(1).max(200)).min(1).max(1_000).exactOptional();

/** As stored: fields of a later release are left out. */
export const orgSettingsSchema = z.object({
  quota: z
    .object({ user: z.object(quota).exactOptional(), org: z.object(quota).exactOptional() })
    .exactOptional(),
  retention: z.object(retention).exactOptional(),
  models,
  price: z.object(price).exactOptional(),
}) satisfies z.ZodType<OrgSettings>;

/** The same as a person writes it: a field that is misspelt would limit nobody. */
export const writtenOrgSettingsSchema = z.strictObject({
  quota: z
    .strictObject({ user: z.strictObject(quota).exactOptional(), org: z.strictObject(quota).exactOptional() })
    .exactOptional(),
  retention: z.strictObject(retention).exactOptional(),
  models,
  price: z.strictObject(price).exactOptional(),
}) satisfies z.ZodType<OrgSettings>;
