import { connect } from '@sluice/client';
import type { Client } from '@sluice/client';
import { isAdmin, keepAccessToken, maySignal } from '../access-token.ts';
import { edgeUrl } from '../address.ts';
import { LinkStatus } from './link-status.ts';
import { TokenKeeper, tokenUrl } from '../token-keeper.ts';
import { LinkTap } from './link-tap.ts';

/** This tab's connection: the SDK's client, its state in words, and the taps to make it fail. */
export type WebConnection = {
  readonly client: Client;
  readonly link: LinkStatus;
  readonly tap: LinkTap;
  readonly keeper: TokenKeeper;
  /** as its token says, like the next one: what the page offers, not what the edge allows */
  readonly isAdmin: boolean;
  readonly maySignal: boolean;
  close(): void;
};

export const openConnection = (token: string): WebConnection => {
  const tap = new LinkTap();
  const keeper = new TokenKeeper({ token, url: tokenUrl(), onToken: keepAccessToken });
  const client = connect({
    url: edgeUrl(),
    token: keeper.source,
    WebSocket: tap.WebSocket,
    fetch: tap.fetch,
  });
  const link = new LinkStatus(client);
  return {
    client,
    link,
    tap,
    keeper,
    isAdmin: isAdmin(token),
    maySignal: maySignal(token),
    close: () => {
      link.close();
      tap.close();
      client.close().catch(() => {
        // It is gone either way.
      });
    },
  };
};
