import { describe, expect, test } from '@jest/globals';
import { attachedOverSocket, FakeSocket } from './support/fake-socket.ts';
import { delta, ids } from './support/session-frames.ts';

/** Through how much of the SDK a token and its ack pass. */
const MAX_FILES = 6;
const MAX_FRAMES = 9;

type Path = { readonly files: readonly string[]; readonly frames: number };

/** The frames of this package on the stack right now. */
const pathHere = (): Path => {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const lines = (new Error().stack ?? '').split('\n');
  Error.stackTraceLimit = limit;
  const own = lines.flatMap((line) => /client\/src\/([\w/-]+\.ts)/.exec(line)?.[1] ?? []);
  return { files: [...new Set(own)], frames: own.length };
};

const expectShort = ({ files, frames }: Path | undefined = { files: [], frames: 0 }): void => {
  expect(files.length).toBeGreaterThan(1);
  expect(files.length).toBeLessThanOrEqual(MAX_FILES);
  expect(frames).toBeLessThanOrEqual(MAX_FRAMES);
};

describe('from socket to application', () => {
  test('a token passes at most 6 files and 9 frames, and is told once to each listener', async () => {
    const { client, socket } = await attachedOverSocket();
    const paths: Path[] = [];
    const session = client.session('s');
    session.on('delta', () => paths.push(pathHere()));
    session.generation(ids.generation).on('delta', () => paths.push(pathHere()));
    socket.deliver(delta(0, 1, 'a'));
    expect(paths).toHaveLength(2);
    for (const path of paths) expectShort(path);
    await client.close();
  });
});

describe('from application to socket', () => {
  const pathOfAck = (): { path?: Path } => {
    const found: { path?: Path } = {};
    FakeSocket.sent = ({ type }) => {
      if (type === 'ack') found.path = pathHere();
    };
    return found;
  };

  test('an ack that was waited for passes at most 6 files and 9 frames', async () => {
    const { client, clock, socket } = await attachedOverSocket();
    const found = pathOfAck();
    socket.deliver(delta(0, 1, 'a'));
    expect(found.path).toBeUndefined();
    clock.advance(250);
    expectShort(found.path);
    await client.close();
  });

  test('an ack that is due at once does so on top of the frame that made it due', async () => {
    const { client, socket } = await attachedOverSocket();
    const found = pathOfAck();
    socket.deliver(delta(0, 8, 'a'));
    expectShort(found.path);
    await client.close();
  });
});
