import { traceparentSchema } from '@sluice/protocol/schema';

/** The `traceparent` among headers. One that is not well formed is as good as none, as W3C's Trace Context has it. */
export const traceparentOf = (headers: Readonly<Record<string, unknown>>): string | undefined =>
  traceparentSchema.safeParse(headers['traceparent']).data;
