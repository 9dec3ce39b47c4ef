import type { CloseCode } from '@sluice/protocol';
import type { Frame } from '../feeds/frames.ts';
import type { FrameSink } from '../feeds/viewer.ts';

/** What a connection needs of its socket besides sending frames. */
export type ConnectionSocket = FrameSink & { close(code: CloseCode, reason: string): void };

/** A socket that tells when a frame has left this process. */
export type ChatSocket = ConnectionSocket & { write(frame: Frame, onFlushed: () => void): void };
