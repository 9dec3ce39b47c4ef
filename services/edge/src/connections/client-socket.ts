import type { CloseCode } from '@sluice/protocol';
import type { FrameSink } from '../feeds/viewer.ts';

/** What a connection needs of its socket. */
export type ClientSocket = FrameSink & {
  close(code: CloseCode, reason: string): void;
  /** Its client has signed in: takes a place on the edge. @returns false: there is none */
  enter(): boolean;
  /** A credential of its client was refused. */
  refused(): void;
};
