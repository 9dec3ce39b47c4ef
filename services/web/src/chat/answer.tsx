import { memo, useEffect } from 'react';
import type { GenerationItem } from '@sluice/protocol';
import { Markdown } from '../markdown/markdown.tsx';
import { AnswerActions } from './answer-actions.tsx';
import { endNote, waitNote } from './answer-notes.ts';

type Props = {
  readonly item: GenerationItem;
  /** a state that the item does not carry */
  readonly state: string | undefined;
  readonly onAgain: (id: string) => void;
  /** wants the text of an answer that is too large for the list */
  readonly onLoad: (id: string) => void;
};

/** A text that is not larger than this comes by itself, bytes. */
const MAX_LOADED_BYTES = 512 * 1024;

/** An answer that is too large for the list: its beginning, until the rest is here. */
const Beginning = ({ item, onLoad }: Pick<Props, 'item' | 'onLoad'>) => {
  const { id, preview = '', bodies } = item;
  const bytes = bodies?.answer?.bytes ?? 0;
  useEffect(() => {
    if (bytes <= MAX_LOADED_BYTES) onLoad(id);
  }, [bytes, id, onLoad]);
  return (
    <>
      <p className="preview" dir="auto">
        {preview}…
      </p>
      <button type="button" className="button small quiet" onClick={() => onLoad(id)}>
        Show all of it ({Math.ceil(bytes / 1024).toLocaleString('en')} KiB)
      </button>
    </>
  );
};

/** What the model says, while it says it and afterwards. */
export const Answer = memo(({ item, state, onAgain, onLoad }: Props) => {
  const { id, text = '', reasoning = '', toolCalls = [], status } = item;
  const isDone = status === 'done';
  const wait = waitNote(item, state);
  const note = endNote(item);
  const isApart = text === '' && reasoning === '' && item.bodies?.answer !== undefined;
  return (
    <div className="answer" data-generation={id} data-status={status} data-seq={item.seq} aria-busy={!isDone}>
      {reasoning !== '' && (
        <details className="reasoning">
          <summary>{text === '' && !isDone ? 'Thinking…' : 'Reasoning'}</summary>
          <Markdown text={reasoning} isComplete={isDone} />
        </details>
      )}
      {text !== '' && <Markdown text={text} isComplete={isDone} />}
      {isApart && <Beginning item={item} onLoad={onLoad} />}
      {toolCalls.map((call, index) => (
        <details className="tool-call" key={index}>
          <summary>
            Calls <code>{call.name === '' ? 'a tool' : call.name}</code>
          </summary>
          <pre tabIndex={0}>{call.arguments}</pre>
        </details>
      ))}
      {wait !== undefined && (
        <p className="wait-note">
          <span className="pulse" aria-hidden="true" />
          {wait}
        </p>
      )}
      {note !== undefined && <p className={`end-note ${note.tone}`}>{note.text}</p>}
      {isDone && <AnswerActions item={item} onAgain={onAgain} />}
    </div>
  );
});
Answer.displayName = 'Answer';
