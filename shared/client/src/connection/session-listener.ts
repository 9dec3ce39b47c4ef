import type { ErrorFrame, ServerFrame, TitleFrame } from '@sluice/protocol';
import type { ClosedError } from '../errors.ts';

/** Frames that belong to one session. */
export type SessionFrame = Exclude<
  Extract<ServerFrame, { readonly session: string }>,
  ErrorFrame | TitleFrame
>;

/** What the connection tells each session it carries. */
export interface SessionListener {
  live(): void;
  /** The link is gone: whatever was asked on it will not be answered. */
  lost(): void;
  /** For good; `lost` before it, if it was live. */
  closed(error: ClosedError): void;
  /** @throws ProtocolError to have the link dropped and everything resumed from the last good position */
  receive(frame: SessionFrame): void;
  /** Something went wrong that answers no request. @param generation which it is about */
  failed(error: Error, generation?: string): void;
}
