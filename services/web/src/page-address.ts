import { useCallback, useEffect, useState } from 'react';
import { newId } from '@sluice/client';
import { fragmentOf, onAddressChange, parseFragment } from './address.ts';
import type { View } from './address.ts';

/** What the page shows. Without a session in the address it is a new one. */
export type Place = { readonly session: string; readonly view: View };

const current = (): Place => {
  const { session = newId(), view } = parseFragment(location.hash);
  const fragment = fragmentOf({ session, view });
  if (location.hash !== fragment) history.replaceState(null, '', fragment);
  return { session, view };
};

/** The place the address names, and the function that goes to another one; Back works. */
export const usePlace = (): readonly [Place, (place: Place) => void] => {
  const [place, setPlace] = useState(current);
  useEffect(() => onAddressChange(() => setPlace(current())), []);
  const go = useCallback((next: Place) => {
    history.pushState(null, '', fragmentOf(next));
    setPlace(next);
  }, []);
  return [place, go];
};
