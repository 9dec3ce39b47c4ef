import type { Fetch } from '@sluice/client';
import type { ClientFrame, Position, ServerFrame } from '@sluice/protocol';
import type { ReceivedFrames } from '@sluice/testkit';
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

/**
 * The same response, whose lines are told as they are read. What breaks before its reader has come to it is lost
 * to both: a transcript holds what the SDK got, not what the network had.
 */
const tellLines = (response: Response, onLine: (line: string) => void): Response => {
  const reader = response.body?.getReader();
  if (reader === undefined) return response;
  const decoder = new TextDecoder();
  let rest = '';
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const { value, done } = await reader.read();
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = done ? '' : (lines.pop() ?? '');
    for (const line of lines) onLine(line);
    if (done) controller.close();
    else controller.enqueue(value);
  };
  // Nothing is read ahead.
  const source = { pull, cancel: (reason: unknown) => reader.cancel(reason) };
  const body = new ReadableStream(source, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
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
    return response.ok ? tellLines(response, (line) => receive(record, line)) : response;
  };
};

/**
 * What each connection received of a generation, with the position it had named for it. Connections
 * that had nothing to do with it are left out: those cut before they asked, or opened after its end.
 */
export const attachmentsOf = (sockets: readonly RecordedSocket[], generation: string): ReceivedFrames[] =>
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
