import type { HttpCalls } from './http-calls.ts';

/**
 * The texts that a connection over HTTP brings down, one JSON object each: `open`, then the frames, perhaps
 * `close`. Ends when the response does. @throws CallError, and what the network throws
 */
export type OpenFrames = (calls: HttpCalls) => AsyncGenerator<string, void, undefined>;

const DATA = 'data: ';

/** Opens a connection whose frames come as one streamed response of server-sent events, a line of data each. */
export async function* streamFrames(calls: HttpCalls): AsyncGenerator<string, void, undefined> {
  const { body } = await calls.call({ method: 'GET' });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { done: true };
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) if (line.startsWith(DATA)) yield line.slice(DATA.length);
  }
}

/** Opens a connection whose frames are asked for, one response after the other, a line each. */
export async function* pollFrames(calls: HttpCalls): AsyncGenerator<string, void, undefined> {
  const opened = await calls.call({ method: 'POST' });
  yield await opened.text();
  // Naming the count confirms what came before: an answer that got lost is given again.
  for (let after = 0; ;) {
    const response = await calls.call({ method: 'GET', path: `/frames?after=${after}`, repeatable: true });
    for (const line of (await response.text()).split('\n')) {
      if (line === '') continue;
      after += 1;
      yield line;
    }
  }
}
