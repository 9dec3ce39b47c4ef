import { describe, expect, test } from '@jest/globals';
import { createLogger, silentLogger } from '../src/index.ts';
import type { Logger, LogLevel } from '../src/index.ts';

type Line = Readonly<Record<string, unknown>>;

const capture = (level: LogLevel = 'info'): { log: Logger; raw: string[]; lines: () => Line[] } => {
  const raw: string[] = [];
  const destination = { write: (text: string) => void raw.push(text) };
  const log = createLogger({ service: 'demo', level, destination });
  return { log, raw, lines: () => raw.map((text) => JSON.parse(text) as Line) };
};

describe('createLogger', () => {
  test('writes one JSON object per call with level, time, service and event', () => {
    const { log, lines } = capture();
    log.info('viewer_attached', { session: 's1', viewers: 2 });
    expect(lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        service: 'demo',
        event: 'viewer_attached',
        session: 's1',
        viewers: 2,
      },
    ]);
  });

  test('keeps to its level, and every line of a child carries its fields', () => {
    const { log, lines } = capture('warn');
    const child = log.with({ connection: 'c1' });
    child.info('not_seen');
    child.warn('seen');
    expect(lines()).toEqual([expect.objectContaining({ event: 'seen', connection: 'c1' })]);
  });

  test('a line break in an id cannot forge a second line', () => {
    const { log, raw } = capture();
    log.info('attached', { session: 'a\r\n{"level":"error","event":"forged"}' });
    expect(raw.join('').match(/\n/g)).toHaveLength(1);
    expect(raw.join('')).not.toContain('\r');
  });

  test('credentials are redacted at the top and one level down', () => {
    const { log, raw } = capture();
    log.warn('refused', {
      token: 'hunter2',
      headers: { authorization: 'Bearer hunter2' },
      password: 'hunter2',
    });
    log.with({ secret: 'hunter2' }).warn('refused');
    expect(raw.join('')).not.toContain('hunter2');
    expect(raw.join('')).toContain('[redacted]');
  });

  const failure = Object.assign(new Error('no answer', { cause: new Error('socket closed') }), {
    code: 'timeout',
  });

  test('errors become code, message and cause, without the stack', () => {
    const { log, lines } = capture();
    log.error('publish_failed', { error: failure });
    expect(lines()[0]?.['error']).toEqual({
      code: 'timeout',
      message: 'no answer',
      cause: { message: 'socket closed' },
    });
  });

  test('at level debug errors carry their stack', () => {
    const { log, lines } = capture('debug');
    log.error('publish_failed', { error: failure });
    expect(lines()[0]?.['error']).toMatchObject({ stack: expect.stringContaining('logger.test') });
  });

  test('something thrown that is no Error is still told', () => {
    const { log, lines } = capture();
    log.error('publish_failed', { error: 'plain text' });
    expect(lines()[0]?.['error']).toEqual({ message: 'plain text' });
  });
});

test('the silent logger takes every call', () => {
  expect(() => silentLogger.with({ a: 1 }).error('nothing')).not.toThrow();
});
