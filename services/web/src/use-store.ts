import { useSyncExternalStore } from 'react';

/** Anything with a snapshot that is replaced when it changes. */
export interface Store<Snapshot> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly snapshot: () => Snapshot;
}

/**
 * Renders again when what `select` takes of the snapshot is another value.
 * @param select must give the same object for the same content
 */
export const useStore = <Snapshot, Part>(
  store: Store<Snapshot>,
  select: (snapshot: Snapshot) => Part,
): Part => useSyncExternalStore(store.subscribe, () => select(store.snapshot()));
