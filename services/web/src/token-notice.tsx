import { useId, useState } from 'react';
import type { SubmitEvent } from 'react';
import { tokenIn } from './access-token.ts';
import type { WebConnection } from './link/web-connection.ts';
import { useStore } from './use-store.ts';

/** Asks for the next token, if possible while the old one still works. The conversation stays below it. */
export const TokenNotice = ({ link, keeper }: Pick<WebConnection, 'link' | 'keeper'>) => {
  const isWanted = useStore(keeper, (wanted) => wanted);
  const isLive = useStore(link, ({ status }) => status.type === 'live');
  const [text, setText] = useState('');
  const field = useId();
  if (!isWanted) return null;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const token = tokenIn(text);
    if (token === '') return;
    keeper.give(token);
    setText('');
  };
  return (
    <form className="token-notice" role="alert" onSubmit={submit}>
      <label htmlFor={field}>
        {isLive
          ? 'Your access ends soon. Paste a new token to stay; nothing is lost meanwhile.'
          : 'Your access has ended. Paste a new token to go on; nothing is lost meanwhile.'}
      </label>
      <input
        id={field}
        autoComplete="off"
        spellCheck={false}
        placeholder="eyJhbGciOi…"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button small primary" disabled={text.trim() === ''}>
        Go on
      </button>
    </form>
  );
};
