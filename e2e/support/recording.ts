import type { Fetch } from '@sluice/client';
import type { ClientFrame, Position, ServerFrame } from '@sluice/protocol';
import type { Attachment } from '@sluice/testkit';
import { WebSocket } from 'ws';

/** Every frame of one connection, both ways, taken below the SDK. */
export type RecordedSocket = {
  readonly received: { readonly frame: ServerFrame; readonly at: number }[];
  readonly sent: ClientFrame[];
};

/** A WebSocket class that keeps what its sockets carry: raw transcripts of an SDK's connections. */
export const recordSockets = (
  sockets: RecordedSocket[] = [],
): { WebSocket: typeof WebSocket; sockets: RecordedSocket[] } => {
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

const DATA = 'data: ';

/** The lines of a response as they come, until it ends or breaks. */
const readLines = async (body: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> => {
  let rest = '';
  try {
    const decoder = new TextDecoder();
    for await (const bytes of body) {
      const text = decoder.decode(bytes, { stream: true });
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    }
    onLine(rest);
  } catch {
    // Cut off, as the SDK will notice too.
  }
};

/** A `fetch` that keeps what connections over HTTP carry, frame by frame as on a WebSocket. */
export const recordFetch = (sockets: RecordedSocket[]): Fetch => {
  const byId = new Map<string, RecordedSocket>();
  const receive = (record: RecordedSocket, line: string): void => {
    const text = line.startsWith(DATA) ? line.slice(DATA.length) : line;
    if (!text.startsWith('{')) return;
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type === 'open') byId.set(frame.connection, record);
    else record.received.push({ frame, at: performance.now() });
  };
  const recordOf = (url: string): RecordedSocket => {
    const [, id = ''] = /connections\/([^/?]+)/.exec(url) ?? [];
    const known = byId.get(id);
    if (known !== undefined) return known;
    const record: RecordedSocket = { received: [], sent: [] };
    sockets.push(record);
    return record;
  };
  return async (url, init) => {
    const record = recordOf(url);
    if (typeof init.body === 'string')
      for (const line of init.body.split('\n')) record.sent.push(JSON.parse(line) as ClientFrame);
    const response = await fetch(url, init);
    if (response.body === null || !response.ok) return response;
    const [ours, theirs] = response.body.tee();
    void readLines(ours, (line) => receive(record, line));
    return new Response(theirs, { status: response.status, headers: response.headers });
  };
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
