import { connect } from '@sluice/client';
import { SluiceChatTransport } from '@sluice/client/ai-sdk';
import { createRoot } from 'react-dom/client';
import { ChatPage } from './chat-page.tsx';
import { historyOf } from './history.ts';

/** `#url=…&token=…&chat=…`; an application gets its token from its own backend instead. */
const address = new URLSearchParams(location.hash.slice(1));
const chat = address.get('chat') ?? 'use-chat';
const client = connect({
  url: address.get('url') ?? 'http://127.0.0.1:8080',
  token: address.get('token') ?? '',
});
const transport = new SluiceChatTransport({ client });

const root = createRoot(document.getElementById('root') as HTMLElement);
const messages = await historyOf(client.session(chat));
root.render(<ChatPage id={chat} messages={messages} transport={transport} />);
