import type { ChatMessage } from '@sluice/protocol';

/**
 * Which addresses in a conversation an engine may be told. The engine fetches them from inside the network: what it can
 * reach there must not be what its users name.
 */

/** One server's name may stand for all below it: `*.example.com`. */
export type UrlHosts = readonly string[];

/**
 * The first thing in these messages that an engine may not be told, for people; undefined: there is none.
 * @param hosts only these; empty: any public one
 */
export const refusedAddress = (messages: readonly ChatMessage[], hosts: UrlHosts): string | undefined => {
  for (const [index, message] of messages.entries()) {
    for (const [field, value] of Object.entries(message)) {
      const refused = refusedIn(value, { field, path: `messages.${index}.${field}` }, hosts);
      if (refused !== undefined) return refused;
    }
  }
  return undefined;
};

type Place = { readonly field: string; readonly path: string };

/** Depth is bounded where a prompt is parsed. */
const refusedIn = (value: unknown, { field, path }: Place, hosts: UrlHosts): string | undefined => {
  // Some servers load it as a tensor, which may hold code.
  if (EMBEDDING.test(field)) return `\`${path}\`: embeddings are not accepted`;
  // It would be a file of the operator's account, whoever put it there.
  if (field === FILE_ID) return `\`${path}\`: files are not kept here; give \`file_data\`, a data URL`;
  if (typeof value === 'string') {
    const isAddress = NAMED_ADDRESS.test(field) || (!TEXTS.has(field) && LOOKS_LIKE_ADDRESS.test(value));
    return !isAddress || isAllowedUrl(value, hosts) ? undefined : refusal(path, hosts);
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const isList = Array.isArray(value);
  for (const [name, inner] of Object.entries(value)) {
    // The entries of a list are what the list is.
    const refused = refusedIn(inner, { field: isList ? field : name, path: `${path}.${name}` }, hosts);
    if (refused !== undefined) return refused;
  }
  return undefined;
};

const EMBEDDING = /_embeds$/i;
const FILE_ID = 'file_id';
const NAMED_ADDRESS = /(url|uri|href)s?$/i;
const LOOKS_LIKE_ADDRESS = /^\s*[a-z][a-z0-9+.-]*:\/\//i;
/** What is read, not fetched. */
const TEXTS: ReadonlySet<string> = new Set(['text', 'content', 'arguments', 'refusal', 'reasoning_content']);
const MAX_PATH_CHARS = 80;

const refusal = (path: string, hosts: UrlHosts): string => {
  const which = hosts.length === 0 ? 'a public host' : 'one of the hosts in SLUICE_UPSTREAM_URL_HOSTS';
  const allowed = `expected \`data:\`, or \`https:\` at ${which}`;
  const by = hosts.length === 0 ? '; SLUICE_UPSTREAM_URL_HOSTS names others' : '';
  return `\`${path.slice(0, MAX_PATH_CHARS)}\`: ${allowed}${by}`;
};

/**
 * No user, no backslash, no blank, no escape in the host: parsers disagree about those, and the engine has another one
 * than we.
 */
const HTTPS = /^https:\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?([/?#][^\s\\\p{Cc}]*)?$/iu;

export const isAllowedUrl = (text: string, hosts: UrlHosts): boolean => {
  if (/^data:/i.test(text)) return true;
  if (!HTTPS.test(text) || !URL.canParse(text)) return false;
  const host = new URL(text).hostname.replace(/\.$/, '');
  return hosts.length === 0 ? isPublic(host) : hosts.some((pattern) => isNamed(host, pattern.toLowerCase()));
};

const isNamed = (host: string, pattern: string): boolean =>
  pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;

/** A name may still lead to a private address: only a network policy of the engine can tell. */
const isPublic = (host: string): boolean => {
  if (host.startsWith('[')) return isPublicV6(host.slice(1, -1));
  // The URL parser has brought every other way to write an IPv4 address into this one.
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return isPublicV4(host);
  return host.includes('.') && !PRIVATE_ENDINGS.some((ending) => host.endsWith(ending));
};

const PRIVATE_ENDINGS = [
  '.localhost',
  '.local',
  '.internal',
  '.intranet',
  '.private',
  '.corp',
  '.home',
  '.lan',
  '.svc',
  '.arpa',
];

const V4_BITS = 32;
/** Of IANA's special-purpose registry, all that is not for everybody; then Azure's own server. */
const PRIVATE_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '168.63.129.16/32',
].map((block) => {
  const [address = '', bits] = block.split('/');
  return { address: v4Number(address), shift: V4_BITS - Number(bits) };
});

function v4Number(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

const isPublicV4 = (address: string): boolean => {
  const number = v4Number(address);
  return !PRIVATE_V4.some(
    ({ address: block, shift }) => Math.floor(number / 2 ** shift) === Math.floor(block / 2 ** shift),
  );
};

/** 2000::/3 is what is routed; of it, tunnels and the documentation's addresses are left out. */
const isPublicV6 = (address: string): boolean => {
  const [first = 0, second = 0] = address.split(':').map((group) => Number.parseInt(group || '0', 16));
  if (first < 0x2000 || first > 0x3fff || first === 0x2002) return false;
  return first !== 0x2001 || (second >= 0x200 && second !== 0xdb8);
};
