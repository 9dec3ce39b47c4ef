import { describe, expect, test } from '@jest/globals';
import { deferred, Queue, waitFor, WaitTimeoutError } from '../src/index.ts';

describe('waitFor', () => {
  test('gives the first truthy value', async () => {
    let looks = 0;
    const value = await waitFor(() => (looks += 1) === 3 && 'third', { what: 'a third look' });
    expect(value).toBe('third');
  });

  test('names what was missing, and the last error', async () => {
    const failure = new Error('refused');
    const waiting = waitFor(() => Promise.reject(failure), { timeoutMs: 20, what: 'a connection' });
    await expect(waiting).rejects.toMatchObject({
      message: 'expected a connection within 20 ms, it did not come',
      cause: failure,
    });
  });

  test('ends even when the predicate never settles', async () => {
    const waiting = waitFor(() => deferred<boolean>().promise, { timeoutMs: 20, what: 'an answer' });
    await expect(waiting).rejects.toThrow(WaitTimeoutError);
  });
});

describe('Queue', () => {
  test('keeps what comes before anybody waits, in order', async () => {
    const queue = new Queue<number>();
    queue.push(1);
    queue.push(2);
    expect([await queue.next(), await queue.next()]).toEqual([1, 2]);
  });

  test('a waiter that gave up does not swallow the next element', async () => {
    const queue = new Queue<number>('a number');
    await expect(queue.next(10)).rejects.toThrow('expected a number within 10 ms');
    queue.push(1);
    expect(await queue.next(10)).toBe(1);
  });

  test('waiters are served in order', async () => {
    const queue = new Queue<number>();
    const both = Promise.all([queue.next(), queue.next()]);
    queue.push(1);
    queue.push(2);
    expect(await both).toEqual([1, 2]);
  });

  test('takeUntil takes up to and including the match and leaves the rest', async () => {
    const queue = new Queue<number>();
    for (const number of [1, 2, 3, 4]) queue.push(number);
    expect(await queue.takeUntil((number) => number === 3)).toEqual([1, 2, 3]);
    expect(queue.drain()).toEqual([4]);
  });

  test('after its end it gives what it has, then fails', async () => {
    const queue = new Queue<number>();
    queue.push(1);
    queue.end(new Error('process exited'));
    expect(await queue.next()).toBe(1);
    await expect(queue.next()).rejects.toThrow('process exited');
  });
});
