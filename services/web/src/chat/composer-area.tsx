import { useState } from 'react';
import type { ModelChoice } from '../session/models.ts';
import type { SessionStore } from '../session/session-store.ts';
import { isOpen } from '../session/turns.ts';
import { useStore } from '../use-store.ts';
import { Composer } from './composer.tsx';
import { ModelPicker } from './model-picker.tsx';
import { TypingLine } from './typing-line.tsx';

type Props = {
  readonly store: SessionStore;
  readonly choice: ModelChoice;
  readonly onAsk: (text: string) => void;
};

/** The field, who else is typing, and what went wrong with a stop or a note. */
export const ComposerArea = ({ store, choice, onAsk }: Props) => {
  const running = useStore(store, ({ items }) => items.findLast(isOpen)?.id);
  const hasCompany = useStore(store, ({ viewers }) => viewers > 1);
  const typists = useStore(store, (snapshot) => snapshot.typists);
  const [problem, setProblem] = useState<string>();
  const tell = (error: unknown): void => setProblem(error instanceof Error ? error.message : String(error));
  const note = (text: string): void => {
    setProblem(undefined);
    store.note(text).catch(tell);
  };
  const stop = (): void => {
    setProblem(undefined);
    if (running !== undefined) store.stop(running).catch(tell);
  };
  return (
    <div className="composer-area">
      <div className="composer-head">
        <TypingLine typists={typists} />
        <ModelPicker {...choice} />
      </div>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <Composer
        session={store.id}
        isRunning={running !== undefined}
        hasCompany={hasCompany}
        onAsk={onAsk}
        onNote={note}
        onStop={stop}
        onTyping={() => store.typing()}
      />
    </div>
  );
};
