import type { CloseCode } from '@sluice/protocol';

/** The way down of a connection over HTTP: takes frames, one JSON text each. */
export interface Downlink {
  /** false while it holds more than it should: `drained` follows */
  readonly writable: boolean;
  /** what is not taken yet, bytes */
  readonly waiting: number;
  /** Ignored once it has ended. */
  write(payload: Buffer): void;
  /** Nothing follows; `gone` does, once all was taken. */
  end(): void;
  /** Ends at once, taken or not. Idempotent. */
  destroy(): void;
  /** Called about once a second. @returns why it has to be cut, if it has */
  tick(now: number): { readonly code: CloseCode; readonly reason: string } | undefined;
}

export type DownlinkListener = {
  /** It takes frames again. */
  drained(): void;
  /** Called once: nobody is there any more. */
  gone(): void;
};
