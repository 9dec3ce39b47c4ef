import { memo, useLayoutEffect, useRef, useState } from 'react';
import type { MouseEvent } from 'react';
import { blockNodes } from './block-html.ts';
import { BlockSplitter } from './block-splitter.ts';
import type { Block } from './block-splitter.ts';
import { morph } from './morph.ts';

const COPIED_MS = 1_500;

const BlockView = memo(
  ({ block }: { readonly block: Block }) => {
    const element = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => {
      if (element.current !== null) morph(element.current, blockNodes(block.token));
    }, [block]);
    return <div className="block" ref={element} />;
  },
  (before, after) => before.block.raw === after.block.raw && before.block.links === after.block.links,
);
BlockView.displayName = 'BlockView';

const copyCode = (event: MouseEvent): void => {
  const button = event.target instanceof Element ? event.target.closest<HTMLElement>('button.copy') : null;
  const code = button?.closest('figure')?.querySelector('code');
  if (button === null || code === null || code === undefined) return;
  navigator.clipboard.writeText(code.textContent).then(
    () => flash(button, 'Copied'),
    () => flash(button, 'Not allowed'),
  );
};

const flash = (button: HTMLElement, words: string): void => {
  button.textContent = words;
  setTimeout(() => {
    if (button.textContent === words) button.textContent = 'Copy';
  }, COPIED_MS);
};

/** Markdown that may still grow: only its open block is rendered again. */
export const Markdown = ({ text, isComplete }: { readonly text: string; readonly isComplete: boolean }) => {
  const [splitter] = useState(() => new BlockSplitter());
  const blocks = splitter.update(text, isComplete);
  return (
    // The listener only serves the buttons within, which are buttons of their own.
    <div className="markdown" onClick={copyCode}>
      {blocks.map((block, index) => (
        // Blocks only ever come at the end, so their place is their identity.
        <BlockView key={index} block={block} />
      ))}
    </div>
  );
};
