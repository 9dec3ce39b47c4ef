import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { KeyboardEvent, RefObject } from 'react';
import { ComposerButtons } from './composer-buttons.tsx';

type Props = {
  /** changes with the session: then the field is empty and has the focus */
  readonly session: string;
  readonly isRunning: boolean;
  /** somebody else is here who could read a note */
  readonly hasCompany: boolean;
  readonly onAsk: (text: string) => void;
  readonly onNote: (text: string) => void;
  readonly onStop: () => void;
  readonly onTyping: () => void;
};

/** Typing is told this often, ms; the notice is good for twice as long. */
const TYPING_EVERY_MS = 2_000;

const hasTouchOnly = (): boolean => matchMedia('(pointer: coarse) and (hover: none)').matches;

/** As high as what is written in it; the style sheet has the limit. */
const useGrowingHeight = (field: RefObject<HTMLTextAreaElement | null>, text: string): void => {
  useLayoutEffect(() => {
    const area = field.current;
    if (area === null) return;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight}px`;
  }, [field, text]);
};

/** Where one writes. Enter sends and Shift+Enter breaks the line, except on a phone, whose Enter breaks it. */
export const Composer = (props: Props) => {
  const { session, isRunning, hasCompany, onAsk, onNote, onStop, onTyping } = props;
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const toldAt = useRef(-Infinity);
  useEffect(() => {
    setText('');
    if (!hasTouchOnly()) field.current?.focus();
  }, [session]);
  useGrowingHeight(field, text);

  const take = (use: (text: string) => void): void => {
    if (text.trim() === '') return;
    use(text.trim());
    setText('');
    field.current?.focus();
  };
  const typed = (value: string): void => {
    setText(value);
    const now = performance.now();
    if (value === '' || !hasCompany || now - toldAt.current < TYPING_EVERY_MS) return;
    toldAt.current = now;
    onTyping();
  };
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && isRunning) onStop();
    // While an input method composes, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || hasTouchOnly()) return;
    event.preventDefault();
    take(onAsk);
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        take(onAsk);
      }}
    >
      <textarea
        ref={field}
        rows={1}
        value={text}
        placeholder="Ask anything"
        aria-label="Your message"
        enterKeyHint="send"
        onChange={(event) => typed(event.target.value)}
        onKeyDown={pressed}
      />
      <ComposerButtons
        isEmpty={text.trim() === ''}
        isRunning={isRunning}
        hasCompany={hasCompany}
        onNote={() => take(onNote)}
        onStop={onStop}
      />
    </form>
  );
};
