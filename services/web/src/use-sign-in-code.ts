import { useCallback, useEffect, useState } from 'react';
import { onAddressChange, parseFragment } from './address.ts';
import { redeem, takeSignInCode } from './sign-in-code.ts';
import type { Given } from './sign-in-code.ts';

type Listeners = {
  readonly onGiven: (given: Given) => void;
  /** in words for a person */
  readonly onProblem: (problem: string) => void;
};

/**
 * Exchanges the code of a link, whether the page was opened by it, it is opened in this very tab, or it was pasted.
 * @param listeners the same ones at every call
 * @returns whether a code is being exchanged, and the function that takes one from a pasted text, if there is one
 */
export const useSignInCode = ({
  onGiven,
  onProblem,
}: Listeners): readonly [boolean, (text: string) => boolean] => {
  const [code, setCode] = useState(takeSignInCode);
  useEffect(() => onAddressChange(() => setCode((before) => takeSignInCode() ?? before)), []);
  useEffect(() => {
    if (code === undefined) return;
    void redeem(code)
      .then(onGiven, (error: Error) => onProblem(error.message))
      .finally(() => setCode(undefined));
  }, [code, onGiven, onProblem]);
  const take = useCallback((text: string): boolean => {
    const pasted = parseFragment(text.replace(/^[^#]*/, '')).code;
    if (pasted !== undefined) setCode(pasted);
    return pasted !== undefined;
  }, []);
  return [code !== undefined, take];
};
