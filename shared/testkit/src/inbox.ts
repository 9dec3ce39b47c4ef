import type { ServerFrame } from '@sluice/protocol';
import { deferred, WaitTimeoutError, withTimeout } from './wait.ts';

/** One received message, as it came. */
export type RawFrame = {
  readonly raw: string;
  readonly isBinary: boolean;
  /** ms since the Unix epoch, with fractions */
  readonly at: number;
  /** the parsed text; undefined if it is not a JSON object */
  readonly frame: ServerFrame | undefined;
};

export type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { readonly type: Type }>;

export interface NextFrame {
  <Type extends ServerFrame['type']>(type: Type, timeoutMs?: number): Promise<FrameOf<Type>>;
  (matches: (frame: ServerFrame) => boolean, timeoutMs?: number): Promise<ServerFrame>;
}

export interface Frames {
  (): ServerFrame[];
  <Type extends ServerFrame['type']>(type: Type): FrameOf<Type>[];
}

export type SocketClose = { readonly code: number; readonly reason: string };

const parse = (raw: string): ServerFrame | undefined => {
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === 'object' && value !== null ? (value as ServerFrame) : undefined;
  } catch {
    // Recorded as it came: what to make of it is the test's business.
    return undefined;
  }
};

type Wait = {
  readonly name: string;
  readonly timeoutMs: number;
  readonly deadline: number;
  /** index of the first frame that was looked at */
  readonly start: number;
};

/** Received frames and a cursor into them, hence no frame can slip between two waits. */
export class Inbox {
  readonly frames: RawFrame[] = [];
  #cursor = 0;
  #wake = deferred<void>();
  #closed: SocketClose | undefined;

  add(raw: string, isBinary = false): void {
    const at = performance.timeOrigin + performance.now();
    this.frames.push({ raw, isBinary, at, frame: parse(raw) });
    this.#changed();
  }

  end(close: SocketClose): void {
    this.#closed = close;
    this.#changed();
  }

  readonly ofType = ((type?: ServerFrame['type']) =>
    this.frames.flatMap(({ frame }) =>
      frame && (type === undefined || frame.type === type) ? [frame] : [],
    )) as Frames;

  readonly next: NextFrame = async (
    wanted: string | ((frame: ServerFrame) => boolean),
    timeoutMs = 5_000,
  ): Promise<never> => {
    const matches = typeof wanted === 'string' ? (frame: ServerFrame) => frame.type === wanted : wanted;
    const name = typeof wanted === 'string' ? `frame \`${wanted}\`` : 'a matching frame';
    const wait: Wait = { name, timeoutMs, deadline: performance.now() + timeoutMs, start: this.#cursor };
    for (let at = wait.start; ; at += 1) {
      while (at >= this.frames.length) await this.#more(wait);
      const frame = this.frames[at]?.frame;
      if (!frame || !matches(frame)) continue;
      this.#cursor = at + 1;
      return frame as never;
    }
  };

  async #more({ name, timeoutMs, deadline, start }: Wait): Promise<void> {
    const passed = this.frames.slice(start).map(({ frame, raw }) => frame?.type ?? raw.slice(0, 40));
    const what = `${name} after [${passed.join(', ')}]`;
    if (this.#closed)
      throw new Error(`expected ${what}, got close ${this.#closed.code} ${this.#closed.reason}`);
    try {
      await withTimeout(this.#wake.promise, Math.max(0, deadline - performance.now()), what);
    } catch {
      // Only a timeout can come; told anew with the whole time that was allowed.
      throw new WaitTimeoutError(what, timeoutMs);
    }
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = deferred();
  }
}
