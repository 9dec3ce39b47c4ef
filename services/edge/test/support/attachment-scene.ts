import { beforeEach, expect } from '@jest/globals';
import type { DeltaFrame, GenerationKey, ServerFrame } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { askOk, keyOf, newId, textOf } from './asking.ts';
import type { FakeRun } from './fake-worker.ts';
import { freshScene } from './scene.ts';
import type { Scene } from './scene.ts';

type Frame = Readonly<Record<string, unknown>>;

/** `author` and `key` are each test's own, as the parts of a scene are; the functions serve every test. */
export type AttachmentScene = Scene & {
  author: RawClient;
  /** the generation that a test is about */
  key: GenerationKey;
  /** a prompt for it, or for another */
  readonly prompt: (generation?: string) => Frame;
  /** a position in it, or in another, as a subscription names it */
  readonly at: (epoch: number, seq: number, generation?: string) => Frame;
  /** Prompts. Resolves to a generation that is claimed and has the tokens. */
  readonly running: (...tokens: string[]) => Promise<FakeRun>;
  /** The same, and it is done. */
  readonly finished: (...tokens: string[]) => Promise<FakeRun>;
  readonly untilText: (client: RawClient, text: string) => Promise<boolean>;
};

/** A scene in manual time, with a client that is about to prompt. */
export const attachmentScene = (): AttachmentScene => {
  const prompt: AttachmentScene['prompt'] = (generation = scene.key.generation) => ({
    type: 'prompt',
    session: 's1',
    generation,
    input: 'hello',
  });
  const at: AttachmentScene['at'] = (epoch, seq, generation = scene.key.generation) => ({
    positions: { [generation]: { epoch, seq } },
  });
  const running: AttachmentScene['running'] = async (...tokens) => {
    await askOk(scene.author, prompt());
    const run = await scene.worker.claim(scene.key);
    await run.write(...tokens);
    return run;
  };
  const finished: AttachmentScene['finished'] = async (...tokens) => {
    const run = await running(...tokens);
    await run.end();
    return run;
  };
  const untilText: AttachmentScene['untilText'] = (client, text) =>
    waitFor(() => textOf(client, scene.key.generation) === text, { what: `the text ${text}`, pollMs: 1 });
  const functions = { prompt, at, running, finished, untilText };
  const scene = Object.assign(freshScene('manual'), functions) as AttachmentScene;
  beforeEach(async () => {
    scene.author = await scene.target.open();
    scene.key = keyOf('s1', newId());
  });
  return scene;
};

export const subscribe = (more: Frame = {}): Frame => ({ type: 'subscribe', session: 's1', ...more });

export const endOf = (client: RawClient): Promise<ServerFrame> =>
  waitFor(() => client.frames('end')[0], { what: 'the end', pollMs: 1 });

/** Every delta starts where the one before it ended. */
export const expectTiled = (deltas: readonly DeltaFrame[], from = 0): void => {
  let seq = from;
  for (const delta of deltas) {
    expect(delta.from).toBe(seq);
    expect(delta.seq).toBeGreaterThan(seq);
    seq = delta.seq;
  }
};
