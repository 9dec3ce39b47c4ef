import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { applyTheme, savedTheme } from './theme.ts';

applyTheme(savedTheme());
const root = document.getElementById('root');
if (root === null) throw new TypeError('index.html: expected an element with the id root');
createRoot(root).render(<App />);
