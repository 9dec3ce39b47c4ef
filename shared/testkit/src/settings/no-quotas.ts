const ANY = 1e12;

/** Options of an edge whose users and orgs meet no limit over all edges. */
export const NO_QUOTAS = {
  maxConnectionsPerUser: ANY,
  maxConnectionsPerOrg: ANY,
  promptsPerMinute: ANY,
  promptsPerMinutePerOrg: ANY,
  messagesPerMinute: ANY,
  messagesPerMinutePerOrg: ANY,
  bytesPerMinute: ANY,
  bytesPerMinutePerOrg: ANY,
  maxBytesPerUser: ANY,
  maxBytesPerOrg: ANY,
  maxGenerationsPerUser: ANY,
  maxGenerationsPerOrg: ANY,
  maxItemsPerUser: ANY,
};

/** The same as settings of a process. */
export const NO_QUOTAS_ENV: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...['MAX_CONNECTIONS_PER_USER', 'MAX_CONNECTIONS_PER_ORG', 'PROMPTS_PER_MINUTE'],
    ...['PROMPTS_PER_MINUTE_PER_ORG', 'MESSAGES_PER_MINUTE', 'MESSAGES_PER_MINUTE_PER_ORG'],
    ...['BYTES_PER_MINUTE', 'BYTES_PER_MINUTE_PER_ORG', 'MAX_BYTES_PER_USER', 'MAX_BYTES_PER_ORG'],
    ...['MAX_GENERATIONS_PER_USER', 'MAX_GENERATIONS_PER_ORG', 'MAX_ITEMS_PER_USER'],
  ].map((name) => [`SLUICE_EDGE_${name}`, String(ANY)]),
);
