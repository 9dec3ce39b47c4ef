/** What a page tells about its network and its visibility, in the words of the reconnect machine. */
export type PageEvent = 'online' | 'offline' | 'visible' | 'hidden' | 'shown';

type EventSource = Pick<EventTarget, 'addEventListener' | 'removeEventListener'>;

/** Where page events come from; in Node and in tests either may be absent or a stand-in. */
export type Page = {
  readonly window?: EventSource;
  readonly document?: EventSource & { readonly visibilityState?: string };
};

/** The page this code runs in; nothing outside a browser. Workers have a window of sorts, but no document. */
export const currentPage = (): Page => {
  const scope: { addEventListener?: unknown; document?: Page['document'] } = globalThis;
  if (typeof scope.addEventListener !== 'function') return {};
  const window = scope as EventSource;
  return scope.document === undefined ? { window } : { window, document: scope.document };
};

/**
 * Reports the page's events until the returned function is called, which removes every listener.
 * `pagehide` counts only when the page goes to the back/forward cache: an open socket would keep it out, or be
 * cut there without a word.
 */
export const watchPage = (page: Page, report: (event: PageEvent) => void): (() => void) => {
  const removals: (() => void)[] = [];
  const listen = (source: EventSource | undefined, type: string, listener: (event: Event) => void): void => {
    source?.addEventListener(type, listener);
    removals.push(() => source?.removeEventListener(type, listener));
  };
  const isPersisted = (event: Event): boolean => (event as { persisted?: boolean }).persisted === true;
  listen(page.window, 'online', () => report('online'));
  listen(page.window, 'offline', () => report('offline'));
  listen(page.window, 'pagehide', (event) => {
    if (isPersisted(event)) report('hidden');
  });
  listen(page.window, 'pageshow', (event) => {
    if (isPersisted(event)) report('shown');
  });
  listen(page.document, 'visibilitychange', () => {
    if (page.document?.visibilityState === 'visible') report('visible');
  });
  return () => {
    for (const remove of removals) remove();
  };
};
