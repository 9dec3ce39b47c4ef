import type { PromptParams } from '@sluice/protocol';

/** How the next answers are made, as far as the simulated engine lets one choose. */
export type NextAnswer = {
  /** 0: as long as it is */
  readonly tokens: number;
  /** 0: as fast as it is */
  readonly tokensPerSecond: number;
  readonly fails: boolean;
};

export const NATURAL: NextAnswer = { tokens: 0, tokensPerSecond: 0, fails: false };

/** Where the engine fails when it is asked to. */
const FAIL_AT_TOKEN = 120;

/** @returns undefined when nothing was chosen, so that prompts to real models carry nothing extra */
export const paramsFor = ({ tokens, tokensPerSecond, fails }: NextAnswer): PromptParams | undefined => {
  const simulated = {
    ...(tokens > 0 && { tokens }),
    ...(tokensPerSecond > 0 && { tokensPerSecond }),
    ...(fails && { failAtToken: FAIL_AT_TOKEN }),
  };
  return Object.keys(simulated).length === 0 ? undefined : { simulated };
};

type Props = { readonly next: NextAnswer; readonly onNext: (next: NextAnswer) => void };

export const NextAnswerForm = ({ next, onNext }: Props) => (
  <fieldset className="next-answer">
    <legend>Next answer, simulated engine only</legend>
    <label>
      Length
      <select
        value={next.tokens}
        onChange={(event) => onNext({ ...next, tokens: Number(event.target.value) })}
      >
        <option value={0}>natural</option>
        <option value={1_000}>1,000 tokens</option>
        <option value={4_000}>4,000 tokens</option>
      </select>
    </label>
    <label>
      Speed
      <select
        value={next.tokensPerSecond}
        onChange={(event) => onNext({ ...next, tokensPerSecond: Number(event.target.value) })}
      >
        <option value={0}>natural</option>
        <option value={20}>20 tokens/s</option>
        <option value={200}>200 tokens/s</option>
      </select>
    </label>
    <label className="check">
      <input
        type="checkbox"
        checked={next.fails}
        onChange={(event) => onNext({ ...next, fails: event.target.checked })}
      />
      The model fails at token {FAIL_AT_TOKEN}
    </label>
  </fieldset>
);
