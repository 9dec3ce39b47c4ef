import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Socket } from 'node:net';

export type AddressOptions = {
  /** addresses and networks of proxies, e.g. `10.0.0.0/8` */
  readonly trustedProxies: readonly string[];
  /** in which those say whom a request came from, lower case */
  readonly addressHeader: string;
};

/** Whom a connection comes from. Only a trusted proxy's word counts for another than the peer itself. */
export class ClientAddresses {
  readonly #proxies = new BlockList();
  readonly #header: string;

  constructor({ trustedProxies, addressHeader }: AddressOptions) {
    this.#header = addressHeader;
    for (const network of trustedProxies) {
      const [address = '', bits] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#proxies.addAddress(address, family);
      else this.#proxies.addSubnet(address, Number(bits), family);
    }
  }

  isProxy({ remoteAddress }: Pick<Socket, 'remoteAddress'>): boolean {
    return this.#isTrusted(plain(remoteAddress ?? ''));
  }

  /** The peer of a socket, as a key of limits. */
  ofPeer({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string {
    return keyOf(plain(remoteAddress ?? ''));
  }

  /**
   * The client of a request, as a key of limits. Each proxy adds whom it saw at the end, so the last address that is no
   * trusted proxy's is the client's; what stands before it is the client's own word.
   */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    const named = headers[this.#header];
    if (!this.isProxy(socket) || named === undefined) return this.ofPeer(socket);
    const chain = String(named)
      .split(',')
      .map((entry) => plain(entry.trim()));
    const client = chain.findLast((address) => !this.#isTrusted(address));
    return client === undefined || isIP(client) === 0 ? this.ofPeer(socket) : keyOf(client);
  }

  #isTrusted(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#proxies.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** IPv4 as IPv4, also where a socket of both families writes it as IPv6. */
const plain = (address: string): string => address.replace(/^::ffff:(?=[\d.]+$)/i, '');

/** One customer has a /64 of IPv6 at least, and 2^64 addresses in it: they share their limits. */
const keyOf = (address: string): string =>
  isIP(address) === 6 ? groupsOf(address).slice(0, 4).join(':') : address;

const groupsOf = (address: string): readonly string[] => {
  const [head = '', tail] = address.toLowerCase().split('::');
  const [first, last] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const [before, after] = [first ?? [], last ?? []];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after];
};
