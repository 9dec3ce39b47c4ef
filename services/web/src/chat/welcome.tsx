import { Logo } from './icons.tsx';

const SUGGESTIONS = [
  'Explain backpressure with a small example',
  'How does a resumable stream survive a broken connection?',
  'Compare WebSocket, SSE and long polling in a table',
  'Write a function that samples the next token',
];

/** An empty session: what to try. */
export const Welcome = ({ onAsk }: { readonly onAsk: (text: string) => void }) => (
  <section className="welcome" aria-labelledby="welcome-title">
    <Logo />
    <h2 id="welcome-title">Ask something, then pull the plug</h2>
    <p>
      Answers live in a log, not in this tab. Reload, lose the network, open a second tab: the text goes on
      from the same word.
    </p>
    <ul className="suggestions">
      {SUGGESTIONS.map((text) => (
        <li key={text}>
          <button type="button" onClick={() => onAsk(text)}>
            {text}
          </button>
        </li>
      ))}
    </ul>
  </section>
);
