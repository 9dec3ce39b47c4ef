/** What a page tells about its network and its visibility, in the words of the reconnect machine. */
export type PageEvent = 'online' | 'offline' | 'visible' | 'pagehide' | 'pageshow';

type EventSource = Pick<EventTarget, 'addEventListener' | 'removeEventListener'>;

/** Where page events come from; in Node and in tests either may be absent or a stand-in. */
export type Page = {
  readonly window?: EventSource;
  readonly document?: (EventSource & { readonly visibilityState?: string }) | undefined;
};

/** The page this code runs in; nothing outside a browser. Workers have a window of sorts, but no document. */
export const currentPage = (): Page => {
  const scope: { addEventListener?: unknown; document?: Page['document'] } = globalThis;
  if (typeof scope.addEventListener !== 'function') return {};
  return { window: globalThis, document: scope.document };
};

const OF_WINDOW = ['online', 'offline', 'pagehide', 'pageshow'] as const;

/**
 * Reports the page's events until the returned function is called, which removes every listener.
 * `pagehide` counts only when the page goes to the back/forward cache: an open socket would keep it out, or be
 * cut there without a word.
 */
export const watchPage = ({ window, document }: Page, report: (event: PageEvent) => void): (() => void) => {
  const listeners = OF_WINDOW.map((type) => {
    const listener = (event: Event & { readonly persisted?: boolean }): void => {
      if (type === 'online' || type === 'offline' || event.persisted === true) report(type);
    };
    window?.addEventListener(type, listener);
    return () => window?.removeEventListener(type, listener);
  });
  const look = (): void => {
    if (document?.visibilityState === 'visible') report('visible');
  };
  document?.addEventListener('visibilitychange', look);
  return () => {
    document?.removeEventListener('visibilitychange', look);
    for (const remove of listeners) remove();
  };
};
