import { demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import type { Stage } from '../stage.ts';
import { SHORT } from '../stage.ts';

/** More than an item or a prompt holds, bytes. */
const LONG_BYTES = 60_000;
/** Largest item, bytes. */
const MAX_ITEM_BYTES = 32 * 1024;
const TOKENS = 30;

const checkLongTexts = async (stage: Stage): Promise<string> => {
  const { bus, prompt } = stage.target;
  const input = prompt.padEnd(LONG_BYTES);
  const asked = await stage.start({ input, maxTokens: SHORT, governor: 'none', onAbandon: 'finish' });
  const { reason, error } = await asked.expectDone();
  demand(reason !== 'error', 'a long prompt to be answered', `an error: ${error?.message ?? ''}`);
  // The text of an earlier attempt, so that it is long whatever the engine says.
  const said = await stage.prepare({ item: { attempt: 1 } });
  const tokens = Array.from({ length: TOKENS }, (_, n) => `${n} `.padEnd(LONG_BYTES / TOKENS));
  await said.append(1, tokens, { reason: 'stop' });
  await said.enqueue();
  const item = await said.expectDone();
  const bytes = Buffer.byteLength(JSON.stringify(item));
  demand(bytes <= MAX_ITEM_BYTES, `an item of at most ${MAX_ITEM_BYTES} bytes`, `${bytes} bytes`);
  const whole = await bus.sessions.whole(said.key, item);
  const isWhole = whole?.kind === 'generation' && whole.text === tokens.join('');
  demand(isWhole, 'a body `answer` with the text of the log', whole === undefined ? 'none' : 'another text');
  return `a prompt and an answer of ${LONG_BYTES} bytes were whole`;
};

export const BODIES: readonly Clause[] = [
  {
    id: 'W44',
    title: 'Long texts',
    advice:
      'read what `bodies` of the prompt name; store a long answer as a body before the item that names it',
    check: checkLongTexts,
  },
];
