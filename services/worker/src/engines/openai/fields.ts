/** A field of something that may be anything. */
export const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : undefined;

/** A non-empty string field. Null, absent and empty mean the same to all servers. */
export const textIn = (value: unknown, field: string): string | undefined => {
  const text = fieldOf(value, field);
  return typeof text === 'string' && text !== '' ? text : undefined;
};
