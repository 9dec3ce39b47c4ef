import type { ServerFrame } from '@sluice/protocol';

/** An answer by status, in place of a stream. */
export type PlainAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
};

/** What a frame becomes on a stream: text of whole events. */
export type Shown = {
  readonly text: string;
  /** the stream is over with it */
  readonly last?: true;
  /** what to answer in place of it while the response has not begun */
  readonly instead?: PlainAnswer;
};

/**
 * How one stream shows frames; undefined: not at all. Everything that a stream says comes as a frame:
 * those of the session, and the edge's own `expiring`, `goaway` and `error`.
 * @param json the frame as encoded
 */
export type EventView = (frame: ServerFrame, json: string) => Shown | undefined;

export type EventFields = {
  readonly id?: string | undefined;
  readonly event?: string;
  readonly data: string;
};

/** One server-sent event. The fields must hold no line breaks, as JSON and ids do not. */
export const eventText = ({ id, event, data }: EventFields): string =>
  `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}data: ${data}\n\n`;

/** Tells an EventSource how long to wait before it comes back. */
export const retryText = (ms: number): string => `retry: ${Math.round(ms)}\n\n`;
