import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a process offers to the one that started it: named methods of one argument that JSON can carry. */
export type RemoteApi = { readonly [method: string]: (argument: never) => unknown };

type ArgumentOf<Api extends RemoteApi, Method extends keyof Api> = Parameters<Api[Method]>[0];
type AnswerOf<Api extends RemoteApi, Method extends keyof Api> = Awaited<ReturnType<Api[Method]>>;

/** A process of this program, called through its IPC channel. */
export type Remote<Api extends RemoteApi> = {
  readonly pid: number;
  /** @throws Error with the method's error, or when the process ends before it answers */
  call<Method extends keyof Api & string>(
    method: Method,
    argument: ArgumentOf<Api, Method>,
  ): Promise<AnswerOf<Api, Method>>;
  /** Ends the process. Idempotent. */
  close(): Promise<void>;
};

type Request = { readonly id: number; readonly method: string; readonly argument: unknown };
type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };
type Waiting = { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void };

/**
 * Starts `script`, which calls {@pipe serveRemote}, with this process's own Node flags.
 * @param script URL of the entry file
 */
export const startRemote = <Api extends RemoteApi>(script: URL): Remote<Api> => {
  const child = fork(fileURLToPath(script), [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<number, Waiting>();
  let next = 0;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      const gone = new Error(`${script.pathname} ended with ${signal ?? code} before it answered`);
      for (const { reject } of waiting.values()) reject(gone);
      resolve();
    });
  });
  child.on('message', (message) => {
    const { id, value, error } = message as Answer;
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error === undefined) resolve?.(value as never);
    else reject?.(new Error(error));
  });
  return {
    pid: child.pid ?? 0,
    call: (method, argument) =>
      new Promise((resolve, reject) => {
        next += 1;
        waiting.set(next, { resolve, reject });
        child.send({ id: next, method, argument } satisfies Request, (error) => {
          if (error !== null) reject(error);
        });
      }),
    close: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
};

/** Serves the parent's calls until it is gone, and then ends this process. */
export const serveRemote = (api: RemoteApi): void => {
  const answer = async ({ id, method, argument }: Request): Promise<Answer> => {
    try {
      const run = api[method];
      if (run === undefined) throw new TypeError(`expected a method of this process, got ${method}`);
      return { id, value: await run(argument as never) };
    } catch (error) {
      return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  process.on('message', (message) => {
    void answer(message as Request).then((reply) => process.send?.(reply));
  });
  process.on('disconnect', () => process.exit());
};
