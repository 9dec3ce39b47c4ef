import type { GenerationItem } from '@sluice/protocol';

type EndNote = { readonly tone: 'plain' | 'bad'; readonly text: string };

/** What to say while no tokens come; undefined while they do. */
export const waitNote = (item: GenerationItem, state: string | undefined): string | undefined => {
  if (item.status === 'done') return undefined;
  if (item.status === 'parked' || state === 'parked')
    return 'Parked, so that it costs nothing while nobody reads. It goes on from the same word.';
  if (state === 'paused') return 'The model waits for a reader.';
  if (state === 'waiting') return 'The model is busy. Trying again…';
  if (state === 'recovering') return 'Its worker went away. Another one goes on from the last stored word.';
  if (item.status === 'queued')
    return item.attempt > 0 ? 'Waiting for the next worker…' : 'Waiting for a model…';
  if ((item.text ?? '') === '' && (item.reasoning ?? '') === '') return 'Reading the question…';
  return undefined;
};

/** How it ended, unless it simply did. */
export const endNote = ({ status, reason, error, receipt }: GenerationItem): EndNote | undefined => {
  if (status !== 'done') return undefined;
  switch (reason) {
    case 'cancelled':
      return { tone: 'plain', text: `Stopped${receiptText(receipt)}.` };
    case 'length':
      return { tone: 'plain', text: 'Ends here: the limit of its length is reached.' };
    case 'content_filter':
      return { tone: 'plain', text: 'Ends here: the content filter stopped it.' };
    case 'abandoned':
      return { tone: 'plain', text: 'Ends here: nobody came back to read on.' };
    case 'error':
      return { tone: 'bad', text: failureText(error) };
    case 'stop':
    case 'tool_calls':
    case undefined:
      return undefined;
  }
};

/** What happened, and what a person can do about it. */
const failureText = (error: GenerationItem['error']): string => {
  if (error === undefined) return 'The model failed: no reason was given.';
  const { code, message, upstream = {} } = error;
  const said = (upstream.message ?? message).replace(/[.\s]+$/, '');
  const remedy = REMEDIES.find(([pattern]) => pattern.test(`${upstream.code ?? ''} ${code}`))?.[1];
  return `The model failed: ${said}.${remedy === undefined ? '' : ` ${remedy}`}`;
};

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/context_length/, 'Start a new session, or ask with less text.'],
  [/rate_limit|upstream_overloaded/, 'Wait a moment, then ask again.'],
  [
    /upstream_unavailable|upstream_protocol/,
    'Ask again; if it goes on, the operator has to look at the model.',
  ],
  [/invalid_prompt|content_policy|content_filter/, 'Say it in other words.'],
];

const receiptText = (receipt: GenerationItem['receipt']): string => {
  if (receipt === undefined) return '';
  const { tokensAfterCancel: tokens, msToAbort } = receipt;
  return `: engine released in ${Math.round(msToAbort)} ms, ${tokens} token${tokens === 1 ? '' : 's'} after the click`;
};
