import { useCallback, useEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';

/** So close to the end counts as at the end, px. */
const NEAR_PX = 48;

export type StickToEnd = {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  readonly isAtEnd: boolean;
  readonly toEnd: () => void;
};

/**
 * Follows a text that grows for as long as its reader is at the end. Scrolling up lets go, scrolling back or
 * `toEnd` takes hold again. It never animates: tokens come faster than an animation ends.
 */
export const useStickToEnd = (): StickToEnd => {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const [isAtEnd, setIsAtEnd] = useState(true);
  const toEnd = useCallback(() => {
    sticks.current = true;
    setIsAtEnd(true);
    const view = scroller.current;
    if (view !== null) view.scrollTop = view.scrollHeight;
  }, []);
  useEffect(() => {
    const view = scroller.current;
    const inner = content.current;
    if (view === null || inner === null) return undefined;
    let lastTop = view.scrollTop;
    const scrolled = (): void => {
      const isNear = view.scrollHeight - view.scrollTop - view.clientHeight <= NEAR_PX;
      // Growing text moves the end away without anybody scrolling: only a move upwards lets go.
      if (isNear) sticks.current = true;
      else if (view.scrollTop < lastTop) sticks.current = false;
      lastTop = view.scrollTop;
      setIsAtEnd(sticks.current);
    };
    const grown = new ResizeObserver(() => {
      if (sticks.current) view.scrollTop = view.scrollHeight;
      else scrolled();
    });
    grown.observe(inner);
    grown.observe(view);
    view.addEventListener('scroll', scrolled, { passive: true });
    return () => {
      grown.disconnect();
      view.removeEventListener('scroll', scrolled);
    };
  }, []);
  return { scroller, content, isAtEnd, toEnd };
};
