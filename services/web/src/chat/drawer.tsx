import type { ReactNode, RefObject } from 'react';
import { CloseIcon } from './icons.tsx';

type Props = {
  /** whoever holds it opens and closes it */
  readonly dialog: RefObject<HTMLDialogElement | null>;
  readonly children: ReactNode;
};

/** The sidebar on a phone: slides in over the page. */
export const Drawer = ({ dialog, children }: Props) => (
  <dialog
    className="drawer"
    ref={dialog}
    aria-label="Sessions and account"
    onClick={(event) => {
      // A click beside it, on the backdrop, hits the dialog itself.
      if (event.target === dialog.current) dialog.current.close();
    }}
  >
    <button
      type="button"
      className="icon-button drawer-close"
      aria-label="Close"
      onClick={() => dialog.current?.close()}
    >
      <CloseIcon />
    </button>
    {children}
  </dialog>
);
