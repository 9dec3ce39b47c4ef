import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sha256 } from '@sluice/testkit';
import { BusUnavailableError } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import { backends } from './world.ts';
import type { World } from './world.ts';

const TIMEOUT_MS = 5_000;

describe.each(backends)('Relay on $name', ({ start }) => {
  let world: World;
  let here: Bus;
  let there: Bus;
  beforeAll(async () => {
    world = await start();
    [here, there] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  const echo = (name: string) => (question: string) => Promise.resolve(`${name}: ${question}`);

  test('a question reaches the edge of that name and no other', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    const serving = await Promise.all([
      there.relay.serve(one, echo('one')),
      here.relay.serve(two, echo('two')),
    ]);
    expect(await here.relay.ask(one, 'häl\nlo', TIMEOUT_MS)).toBe('one: häl\nlo');
    expect(await here.relay.ask(two, 'itself', TIMEOUT_MS)).toBe('two: itself');
    for (const subscription of serving) subscription.close();
  });

  test('questions are heard in order, and answered in any', async () => {
    const edge = randomUUID();
    const heard: string[] = [];
    let answerFirst: (text: string) => void = () => undefined;
    const serving = await there.relay.serve(edge, (question) => {
      heard.push(question);
      if (question !== 'q0') return Promise.resolve(question);
      return new Promise((resolve) => (answerFirst = resolve));
    });
    const answers = Array.from({ length: 20 }, (_, i) => here.relay.ask(edge, `q${i}`, TIMEOUT_MS));
    expect(await Promise.all(answers.slice(1))).toEqual(Array.from({ length: 19 }, (_, i) => `q${i + 1}`));
    answerFirst('late');
    expect(await answers[0]).toBe('late');
    expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => `q${i}`));
    serving.close();
  });

  test('an answer may be larger than any one message, and a question as large as two frames', async () => {
    const edge = randomUUID();
    const answer = 'ü1234567'.repeat(500_000);
    const question = 'q'.repeat(600 * 1024);
    const serving = await there.relay.serve(edge, (asked) =>
      Promise.resolve(sha256(asked) === sha256(question) ? answer : ''),
    );
    const got = await here.relay.ask(edge, question, TIMEOUT_MS);
    expect(sha256(got ?? '')).toBe(sha256(answer));
    serving.close();
  });

  test('an edge that is not there, or no longer, is told at once', async () => {
    const edge = randomUUID();
    const asked = performance.now();
    expect(await here.relay.ask(edge, 'hello', TIMEOUT_MS)).toBeUndefined();
    for (let round = 0; round < 10; round += 1) {
      const serving = await there.relay.serve(edge, echo('gone'));
      serving.close();
      serving.close();
      expect(await here.relay.ask(edge, 'hello', TIMEOUT_MS)).toBeUndefined();
    }
    expect(performance.now() - asked).toBeLessThan(TIMEOUT_MS);
  });

  test('a question without an answer is unknown when its time is up', async () => {
    const edge = randomUUID();
    const serving = await there.relay.serve(edge, () => new Promise(() => undefined));
    await expect(here.relay.ask(edge, 'hello', 50)).rejects.toThrow(BusUnavailableError);
    serving.close();
  });
});
