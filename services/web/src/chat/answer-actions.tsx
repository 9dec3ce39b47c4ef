import { useState } from 'react';
import type { GenerationItem } from '@sluice/protocol';
import { copyText } from '../clipboard.ts';
import { AgainIcon, CopyIcon } from './icons.tsx';

const COPIED_MS = 1_500;

type Props = { readonly item: GenerationItem; readonly onAgain: (id: string) => void };

/** What can be done with a finished answer. */
export const AnswerActions = ({ item, onAgain }: Props) => {
  const [copied, setCopied] = useState<string>();
  const copy = async (): Promise<void> => {
    setCopied((await copyText(item.text ?? '')) ? 'Copied' : 'Not allowed');
    setTimeout(() => setCopied(undefined), COPIED_MS);
  };
  const count = item.usage?.completion_tokens ?? item.seq;
  const hasFailed = item.reason === 'error';
  return (
    <div className="answer-actions">
      <button type="button" className="button small quiet" onClick={() => void copy()}>
        <CopyIcon />
        {copied ?? 'Copy'}
      </button>
      <button type="button" className="button small quiet" onClick={() => onAgain(item.id)}>
        <AgainIcon />
        {hasFailed ? 'Try again' : 'Ask again'}
      </button>
      <span className="answer-facts">
        {count.toLocaleString('en')} tokens · {item.model}
        {item.attempt > 1 && ` · ${item.attempt} workers`}
      </span>
    </div>
  );
};
