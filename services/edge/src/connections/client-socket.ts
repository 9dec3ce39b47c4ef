import type { CloseCode } from '@sluice/protocol';
import type { FrameSink } from '../feeds/viewer.ts';

/** What a connection needs of its socket. */
export type ClientSocket = FrameSink & { close(code: CloseCode, reason: string): void };
