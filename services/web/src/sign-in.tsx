import { useId, useState } from 'react';
import type { SubmitEvent } from 'react';
import { tokenIn } from './access-token.ts';
import { Logo } from './chat/icons.tsx';

type Props = {
  /** why the last token was of no use */
  readonly refusal: string | undefined;
  readonly onToken: (token: string) => void;
};

/** Without a token there is nothing to see: asks for one, and says where it comes from. */
export const SignIn = ({ refusal, onToken }: Props) => {
  const [text, setText] = useState('');
  const field = useId();
  const problem = useId();
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const token = tokenIn(text);
    if (token !== '') onToken(token);
  };
  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={submit}>
        <Logo />
        <h1>Sign in to Sluice</h1>
        <p>
          Open the link you were given, or paste the access token here. It stays in this tab and is gone when
          you close it.
        </p>
        <label htmlFor={field}>Access token</label>
        <textarea
          id={field}
          rows={3}
          autoFocus
          autoComplete="off"
          spellCheck={false}
          placeholder="eyJhbGciOi…"
          value={text}
          aria-invalid={refusal !== undefined}
          aria-describedby={refusal === undefined ? undefined : problem}
          onChange={(event) => setText(event.target.value)}
        />
        {refusal !== undefined && (
          <p className="problem" id={problem} role="alert">
            {refusal}
          </p>
        )}
        <button type="submit" className="button primary" disabled={text.trim() === ''}>
          Sign in
        </button>
      </form>
    </main>
  );
};
