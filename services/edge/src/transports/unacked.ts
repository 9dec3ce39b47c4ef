import { readFile } from 'node:fs/promises';
import { SocketAddress } from 'node:net';
import type { Socket } from 'node:net';

/** The kernel's tables of TCP connections, on Linux. */
const TABLES = [
  { path: '/proc/net/tcp', family: 'ipv4' },
  { path: '/proc/net/tcp6', family: 'ipv6' },
] as const;

/** Local and remote address and port, state, bytes that wait to be acknowledged; lines with none are passed over. */
const LINE = /^ *\d+: [\dA-F]+:([\dA-F]{4}) ([\dA-F]+):([\dA-F]{4}) [\dA-F]{2} (?!0{8})([\dA-F]{8}):/gm;

/** Bytes that a socket's peer has not acknowledged; 0 of a socket that is over. */
export type Unacked = (socket: Socket) => number;

/**
 * How many bytes the peers of this machine's TCP connections owe an acknowledgement for, as the kernel knows it: Node
 * tells only what the kernel took, and the kernel goes on for a quarter of an hour. Undefined where it does not tell.
 */
export const readUnacked = async (): Promise<Unacked | undefined> => {
  const tables = await Promise.all(
    TABLES.map(async ({ path, family }) => unackedIn(await readFile(path, 'latin1'), family)),
  ).catch(() => undefined);
  if (tables === undefined) return undefined;
  const bytes = new Map(tables.flat());
  return ({ localPort, remoteAddress = '', remotePort }) =>
    bytes.get(keyOf(localPort, remoteAddress, remotePort)) ?? 0;
};

export const unackedIn = (table: string, family: 'ipv4' | 'ipv6'): readonly (readonly [string, number])[] =>
  [...table.matchAll(LINE)].map(([, local = '', address = '', remote = '', bytes = '']) => [
    keyOf(Number.parseInt(local, 16), addressOf(address, family), Number.parseInt(remote, 16)),
    Number.parseInt(bytes, 16),
  ]);

const keyOf = (local: number | undefined, address: string, remote: number | undefined): string =>
  `${local} ${address} ${remote}`;

/** Words of 32 bits in the order of the machine's bytes, lowest first on all that Node runs on but one. */
const addressOf = (hex: string, family: 'ipv4' | 'ipv6'): string => {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex').reverse()]);
  if (family === 'ipv4') return bytes.join('.');
  const groups = bytes
    .map((byte, at) => byte.toString(16).padStart(2, '0') + (at % 2 === 1 ? ':' : ''))
    .join('');
  return new SocketAddress({ address: groups.slice(0, -1), family }).address;
};
