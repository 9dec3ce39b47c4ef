import type { HttpCalls } from './http-calls.ts';

/**
 * The texts that a connection over HTTP brings down, one JSON object each: `open`, then the frames, perhaps
 * `close`. Ends when the response does. @throws CallError, and what the network throws
 */
export type OpenFrames = (calls: HttpCalls) => AsyncGenerator<string, void, undefined>;

const DATA = 'data: ';

/** Opens a connection whose frames come as one streamed response of server-sent events, a line of data each. */
export async function* streamFrames(calls: HttpCalls): AsyncGenerator<string, void, undefined> {
  for await (const line of linesOf(await calls.call({ method: 'GET' })))
    if (line.startsWith(DATA)) yield line.slice(DATA.length);
}

/** Opens a connection whose frames are asked for, one response after the other, a line each. */
export async function* pollFrames(calls: HttpCalls): AsyncGenerator<string, void, undefined> {
  yield* linesOf(await calls.call({ method: 'POST' }));
  // Naming the count confirms what came before: an answer that got lost is given again.
  for (let after = 0; ;) {
    const before = after;
    try {
      const path = `/frames?after=${after}`;
      for await (const line of linesOf(await calls.call({ method: 'GET', path, repeatable: true }))) {
        after += 1;
        yield line;
      }
    } catch (error) {
      // An answer that broke off: the rest of it is still to be had.
      if (after === before) throw error;
    }
  }
}

/** The lines of a response as they come, without empty ones. @throws when it breaks off, which loses half a line */
async function* linesOf({ body }: Response): AsyncGenerator<string, void, undefined> {
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { done: true };
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = done ? '' : (lines.pop() as string);
    for (const line of lines) if (line !== '') yield line;
    if (done) return;
  }
}
