import { memo } from 'react';
import type { Item } from '@sluice/client';
import type { BodyRef } from '@sluice/protocol';
import type { PendingPrompt } from '../session/turns.ts';
import { Answer } from './answer.tsx';
import { Avatar } from './people.tsx';

type QuestionProps = { readonly user: string; readonly text: string; readonly isMine: boolean };

const Question = ({ user, text, isMine }: QuestionProps) => (
  <div className={isMine ? 'question mine' : 'question'}>
    {!isMine && (
      <p className="author">
        <Avatar user={user} />
        <bdi>{user}</bdi>
      </p>
    )}
    <p className="bubble">
      {isMine && <span className="visually-hidden">You: </span>}
      <bdi>{text}</bdi>
    </p>
  </div>
);

/** A text, or its beginning where the rest is apart. */
const shown = (text: string, apart: BodyRef | undefined): string => (apart === undefined ? text : `${text}…`);

type TurnProps = {
  readonly item: Item;
  readonly me: string;
  /** the question is the one before: only the answer is new */
  readonly isRepeat: boolean;
  readonly state: string | undefined;
  readonly onAgain: (id: string) => void;
  readonly onLoad: (id: string) => void;
};

/** One item of the session: a question with its answer, or a line between people. */
export const Turn = memo(({ item, me, isRepeat, state, onAgain, onLoad }: TurnProps) => {
  const isMine = item.user === me;
  if (item.kind === 'message')
    return (
      <article className="turn note">
        <Question user={item.user} text={shown(item.text, item.bodies?.message)} isMine={isMine} />
        <p className="note-mark">to people only</p>
      </article>
    );
  return (
    <article className="turn">
      {isRepeat ? (
        <p className="repeat-mark">
          Asked again
          {!isMine && (
            <>
              {' by '}
              <bdi>{item.user}</bdi>
            </>
          )}
        </p>
      ) : (
        // What follows a tool's result has no question of its own.
        item.input !== '' && (
          <Question user={item.user} text={shown(item.input, item.bodies?.input)} isMine={isMine} />
        )
      )}
      <Answer item={item} state={state} onAgain={onAgain} onLoad={onLoad} />
    </article>
  );
});
Turn.displayName = 'Turn';

type PendingProps = {
  readonly pending: PendingPrompt;
  readonly me: string;
  readonly onRetry: (id: string) => void;
  readonly onDiscard: (id: string) => void;
};

/** A question that is not in the session yet, or was refused. */
export const PendingTurn = ({ pending, me, onRetry, onDiscard }: PendingProps) => (
  <article className="turn pending">
    <Question user={me} text={pending.input} isMine />
    {pending.refusal === undefined ? (
      <p className="wait-note">
        <span className="pulse" aria-hidden="true" />
        Sending…
      </p>
    ) : (
      <div className="refusal" role="alert">
        <p>Not sent: {pending.refusal}</p>
        <button type="button" className="button small" onClick={() => onRetry(pending.id)}>
          Retry
        </button>
        <button type="button" className="button small quiet" onClick={() => onDiscard(pending.id)}>
          Remove
        </button>
      </div>
    )}
  </article>
);
