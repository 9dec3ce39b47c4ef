import DOMPurify from 'dompurify';
import { Marked } from 'marked';
import type { Token } from 'marked';
import { mathExtensions } from './math.ts';

const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

const SAFE_LINK = /^(https?:|mailto:)/i;

/** @returns undefined for anything that is not a plain web or mail address: `javascript:`, `data:`, relative */
const safeHref = (href: string): string | undefined =>
  SAFE_LINK.test(href.trim()) ? href.trim() : undefined;

const linkHtml = (href: string, html: string): string => {
  const safe = safeHref(href);
  return safe === undefined
    ? html
    : `<a href="${escapeHtml(safe)}" target="_blank" rel="noopener noreferrer nofollow">${html}</a>`;
};

/** The page's own headings are h1 and h2. */
const HEADING_SHIFT = 2;

/**
 * Markdown as a model may write it. HTML is never HTML here: it is shown as the text it is, all but line breaks,
 * which tables need. Images are links, since fetching one would tell a stranger that the answer was read.
 */
export const markdown = new Marked({
  gfm: true,
  extensions: mathExtensions(escapeHtml),
  renderer: {
    html: ({ text, block }) => {
      if (/^<br\s*\/?>$/i.test(text.trim())) return '<br>';
      return block === true ? `<p class="literal">${escapeHtml(text.trimEnd())}</p>` : escapeHtml(text);
    },
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + HEADING_SHIFT);
      return `<h${level} class="depth-${depth}">${this.parser.parseInline(tokens)}</h${level}>`;
    },
    link({ href, tokens }) {
      return linkHtml(href, this.parser.parseInline(tokens));
    },
    image: ({ href, text }) => linkHtml(href, escapeHtml(text === '' ? 'image' : text)),
    checkbox: ({ checked }) =>
      `<span class="task" role="img" aria-label="${checked ? 'done' : 'to do'}">${checked ? '☑' : '☐'}</span> `,
    code: ({ text, lang }) => {
      const name = (lang ?? '').split(/\s/, 1)[0] ?? '';
      const label = name === '' ? 'text' : name;
      return (
        `<figure class="code"><figcaption><span>${escapeHtml(label)}</span>` +
        `<button type="button" class="copy">Copy</button></figcaption>` +
        `<pre tabindex="0"><code>${escapeHtml(text)}</code></pre></figure>`
      );
    },
    table(token) {
      const cells = (row: typeof token.header, tag: 'th' | 'td'): string =>
        row
          .map(({ tokens, align }) => {
            const side = align === null ? '' : ` class="align-${align}"`;
            return `<${tag}${side}>${this.parser.parseInline(tokens)}</${tag}>`;
          })
          .join('');
      const rows = token.rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('');
      return (
        `<div class="table" tabindex="0" role="region" aria-label="Table"><table>` +
        `<thead><tr>${cells(token.header, 'th')}</tr></thead><tbody>${rows}</tbody></table></div>`
      );
    },
  },
});

/** A second fence behind the renderer above: only what it writes passes. */
const PURIFY = {
  ALLOWED_TAGS: [
    ...['p', 'br', 'hr', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'strong', 'em', 'del', 'a'],
    ...['code', 'pre', 'figure', 'figcaption', 'button', 'span', 'div'],
    ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'target', 'rel', 'class', 'type', 'tabindex', 'role', 'aria-label', 'start'],
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: SAFE_LINK,
  // The expression above is for addresses; these hold none.
  ADD_URI_SAFE_ATTR: ['target', 'rel', 'type', 'tabindex', 'start'],
};

/** The nodes of one block, safe to insert. */
export const blockNodes = (token: Token): DocumentFragment =>
  DOMPurify.sanitize(markdown.parser([token]), { ...PURIFY, RETURN_DOM_FRAGMENT: true });
