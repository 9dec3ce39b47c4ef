import type { ServerResponse } from 'node:http';
import { CLOSE_CODES } from '@sluice/protocol';
import type { Downlink, DownlinkListener } from './downlink.ts';
import { KEEP_ALIVE_MS, SOCKET_BYTES } from './event-stream.ts';
import { whenOver } from './response-over.ts';
import { progressOf, StallWatch } from './stall-watch.ts';

const KEEP_ALIVE = ': keep-alive\n\n';
const [DATA, END] = [Buffer.from('data: '), Buffer.from('\n\n')];

/** Frames as one streamed response, each a server-sent event with one line of data. */
export class StreamDownlink implements Downlink {
  readonly #response: ServerResponse;
  readonly #stall: StallWatch;
  #writtenAt: number;

  /** @param response its head is sent */
  constructor(response: ServerResponse, now: number, listener: DownlinkListener) {
    this.#response = response;
    this.#stall = new StallWatch(now);
    this.#writtenAt = now;
    response.on('drain', () => listener.drained());
    whenOver(response, () => listener.gone());
    // The close event follows.
    response.on('error', () => undefined);
  }

  get writable(): boolean {
    return this.waiting <= SOCKET_BYTES;
  }

  get waiting(): number {
    return this.#response.writableLength;
  }

  write(payload: Buffer): void {
    if (!this.#response.writableEnded) this.#response.write(Buffer.concat([DATA, payload, END]));
  }

  end(): void {
    this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }

  tick(now: number): ReturnType<Downlink['tick']> {
    const { socket } = this.#response;
    if (socket !== null && this.#stall.isStalled(progressOf(socket), now))
      return { code: CLOSE_CODES.tooSlow, reason: 'the socket did not drain' };
    if (now - this.#writtenAt < KEEP_ALIVE_MS || this.#response.writableEnded) return undefined;
    this.#writtenAt = now;
    this.#response.write(KEEP_ALIVE);
    return undefined;
  }
}
