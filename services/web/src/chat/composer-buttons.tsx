import { SendIcon, StopIcon } from './icons.tsx';

type Props = {
  readonly isEmpty: boolean;
  readonly isRunning: boolean;
  readonly hasCompany: boolean;
  readonly onNote: () => void;
  readonly onStop: () => void;
};

/** Send, or stop while an answer runs and nothing is written. */
export const ComposerButtons = ({ isEmpty, isRunning, hasCompany, onNote, onStop }: Props) => (
  <div className="composer-actions">
    {hasCompany && !isEmpty && (
      <button type="button" className="button quiet" onClick={onNote}>
        To people only
      </button>
    )}
    {isRunning && isEmpty ? (
      <button type="button" className="send stop" aria-label="Stop the answer" onClick={onStop}>
        <StopIcon />
      </button>
    ) : (
      <button type="submit" className="send" aria-label="Send" disabled={isEmpty}>
        <SendIcon />
      </button>
    )}
  </div>
);
