import { useChat } from '@ai-sdk/react';
import type { SluiceChatTransport } from '@sluice/client/ai-sdk';
import type { UIMessage } from 'ai';
import { useState } from 'react';
import type { FormEvent, ReactElement } from 'react';

type ChatPageProps = {
  readonly id: string;
  /** what was said before */
  readonly messages: UIMessage[];
  readonly transport: SluiceChatTransport;
};

export const ChatPage = ({ id, messages: earlier, transport }: ChatPageProps): ReactElement => {
  const [input, setInput] = useState('');
  const chat = useChat({ id, messages: earlier, transport, resume: true });
  const isAnswering = chat.status === 'submitted' || chat.status === 'streaming';
  const send = (event: FormEvent): void => {
    event.preventDefault();
    if (input.trim() === '') return;
    void chat.sendMessage({ text: input });
    setInput('');
  };
  return (
    <main>
      <h1>useChat on Sluice</h1>
      <ol aria-label="Messages">
        {chat.messages.map((message) => (
          <li key={message.id} data-role={message.role}>
            {textOf(message)}
          </li>
        ))}
      </ol>
      {chat.error === undefined ? null : <p role="alert">{chat.error.message}</p>}
      <form onSubmit={send}>
        <input aria-label="Message" value={input} onChange={(event) => setInput(event.target.value)} />
        {isAnswering ? (
          // Not chat.stop(), which would only look away: this stops the engine.
          <button type="button" onClick={() => void transport.cancel(id)}>
            Stop
          </button>
        ) : (
          <button type="submit">Send</button>
        )}
      </form>
    </main>
  );
};

const textOf = ({ parts }: UIMessage): string =>
  parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
