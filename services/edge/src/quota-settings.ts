import { count, setting } from '@sluice/runtime';

const MIB = 1024 * 1024;

/**
 * What users and orgs may have and do, over all edges; an operator may set it for one org. Nobody meets the defaults who only
 * tries it out.
 */
export const quotaSettings = {
  maxConnectionsPerUser: setting(count(1).default(100), {
    env: 'SLUICE_EDGE_MAX_CONNECTIONS_PER_USER',
    about: 'Open connections of one user of an org.',
  }),
  maxConnectionsPerOrg: setting(count(1).optional(), {
    env: 'SLUICE_EDGE_MAX_CONNECTIONS_PER_ORG',
    about: 'Open connections of an org; unset: a tenth of SLUICE_EDGE_MAX_CONNECTIONS.',
  }),
  promptsPerMinute: setting(count(1).default(120), {
    env: 'SLUICE_EDGE_PROMPTS_PER_MINUTE',
    about: 'New prompts of one user of an org.',
  }),
  promptsPerMinutePerOrg: setting(count(1).default(1_200), {
    env: 'SLUICE_EDGE_PROMPTS_PER_MINUTE_PER_ORG',
    about: 'New prompts of an org.',
  }),
  messagesPerMinute: setting(count(1).default(240), {
    env: 'SLUICE_EDGE_MESSAGES_PER_MINUTE',
    about: 'Chat lines of one user of an org.',
  }),
  messagesPerMinutePerOrg: setting(count(1).default(2_400), {
    env: 'SLUICE_EDGE_MESSAGES_PER_MINUTE_PER_ORG',
    about: 'Chat lines of an org.',
  }),
  bytesPerMinute: setting(count(1).default(40 * MIB), {
    env: 'SLUICE_EDGE_BYTES_PER_MINUTE',
    about: 'Bytes of prompts and chat lines of one user of an org, as stored.',
  }),
  bytesPerMinutePerOrg: setting(count(1).default(160 * MIB), {
    env: 'SLUICE_EDGE_BYTES_PER_MINUTE_PER_ORG',
    about: 'Bytes of prompts and chat lines of an org, as stored.',
  }),
  maxBytesPerUser: setting(count(1).optional(), {
    env: 'SLUICE_EDGE_MAX_BYTES_PER_USER',
    about: 'Bytes that one user of an org has in sessions, as stored; unset: half of what the org may.',
  }),
  maxBytesPerOrg: setting(count(1).optional(), {
    env: 'SLUICE_EDGE_MAX_BYTES_PER_ORG',
    about:
      'Bytes of all sessions of an org together, as stored; unset: a tenth of the smallest of SESSIONS, PROMPTS and BODIES.',
  }),
  maxGenerationsPerUser: setting(count(1).default(250), {
    env: 'SLUICE_EDGE_MAX_GENERATIONS_PER_USER',
    about: 'Generations of one user of an org that are queued, running or parked.',
  }),
  maxGenerationsPerOrg: setting(count(1).default(1_000), {
    env: 'SLUICE_EDGE_MAX_GENERATIONS_PER_ORG',
    about: 'Generations of an org that are queued, running or parked.',
  }),
  maxItemsPerUser: setting(count(1).optional(), {
    env: 'SLUICE_EDGE_MAX_ITEMS_PER_USER',
    about: 'Items of one user in a session; unset: four fifths of SLUICE_EDGE_MAX_ITEMS_PER_SESSION.',
  }),
};
