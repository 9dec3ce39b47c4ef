import type { ClientFrame, Position, ServerFrame } from '@sluice/protocol';
import type { Attachment } from '@sluice/testkit';
import { WebSocket } from 'ws';

/** Every frame of one connection, both ways, taken below the SDK. */
export type RecordedSocket = {
  readonly received: { readonly frame: ServerFrame; readonly at: number }[];
  readonly sent: ClientFrame[];
};

/** A WebSocket class that keeps what its sockets carry: raw transcripts of an SDK's connections. */
export const recordSockets = (): { WebSocket: typeof WebSocket; sockets: RecordedSocket[] } => {
  const sockets: RecordedSocket[] = [];
  class RecordingWebSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      const record: RecordedSocket = { received: [], sent: [] };
      sockets.push(record);
      this.on('message', (data: Buffer) =>
        record.received.push({ frame: JSON.parse(data.toString()) as ServerFrame, at: performance.now() }),
      );
      const send = this.send.bind(this) as (text: string) => void;
      this.send = (text: unknown) => {
        record.sent.push(JSON.parse(String(text)) as ClientFrame);
        send(String(text));
      };
    }
  }
  return { WebSocket: RecordingWebSocket as typeof WebSocket, sockets };
};

/**
 * What each connection received of a generation, with the position it had named for it. Connections
 * that had nothing to do with it are left out: those cut before they asked, or opened after its end.
 */
export const attachmentsOf = (sockets: readonly RecordedSocket[], generation: string): Attachment[] =>
  sockets.flatMap(({ received, sent }) => {
    const frames = received.map(({ frame }) => frame);
    const given = sent
      .filter((frame) => frame.type === 'subscribe')
      .map(({ positions }) => positions?.[generation])
      .find((position): position is Position => position !== undefined);
    if (given !== undefined) return [{ frames, given }];
    return frames.some((frame) => 'generation' in frame && frame.generation === generation)
      ? [{ frames }]
      : [];
  });
