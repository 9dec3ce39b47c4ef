import type { AddressInfo, Server } from 'node:net';
import { serveRemote } from '../../remote.ts';
import type { RecordedFrame } from '../../clients/crowd.ts';

export type FanOutApi = {
  /** Answers with the port. */
  readonly listen: (options: Readonly<Record<string, boolean>>) => Promise<number>;
  /** Sends each frame at its time. */
  readonly replay: (frames: readonly RecordedFrame[]) => Promise<void>;
};

export type FanOut = {
  /** anything with an open port */
  readonly server: Server;
  /** Sends one frame to everybody. */
  readonly send: (json: string) => void;
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Serves `listen` and `replay` to the benchmark; what a peer adds is how it sends one frame to all. */
export const serveFanOut = (start: (options: Readonly<Record<string, boolean>>) => FanOut): void => {
  let fanOut: FanOut | undefined;
  const api: FanOutApi = {
    listen: (options) =>
      new Promise((resolve) => {
        fanOut = start(options);
        const { server } = fanOut;
        server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
          resolve((server.address() as AddressInfo).port),
        );
      }),
    replay: async (frames) => {
      const startedAt = performance.now();
      for (const { afterMs, json } of frames) {
        const waitMs = startedAt + afterMs - performance.now();
        if (waitMs > 0) await pause(waitMs);
        fanOut?.send(json);
      }
    },
  };
  serveRemote(api);
};
