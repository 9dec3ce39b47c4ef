import type { ClientSocket } from '../../connections/client-socket.ts';
import type { EdgeContext } from '../../connections/edge-context.ts';
import type { Peer } from '../../connections/peer.ts';

/** One protocol that is spoken on WebSockets. */
export type SocketDialect = {
  readonly path: string;
  readonly subprotocol: string;
  /** Whether a client may offer no subprotocol at all. One that offers any must be given one of its own. */
  readonly isOptional: boolean;
  /** Most bytes of the first frame of somebody who sent no credential with the upgrade. */
  readonly maxFirstBytes: number;
  readonly open: (id: string, socket: ClientSocket, context: EdgeContext) => Peer<unknown>;
};
