import { fragmentOf, parseFragment } from './address.ts';

const KEY = /^(\d{1,5})\.([\w-]+)$/;

/** What a code stands for. */
export type Given = { readonly token: string; readonly kill: string | undefined };

/** The code that the address brings, if it does. It is in the address bar for no longer than this function runs. */
export const takeSignInCode = (): string | undefined => {
  const { code, ...place } = parseFragment(location.hash);
  if (code !== undefined)
    history.replaceState(null, '', `${location.pathname}${location.search}${fragmentOf(place)}`);
  return code;
};

/** Exchanges the code of a link of `sluice up`, once. @throws Error in words for a person */
export const redeem = async (code: string): Promise<Given> => {
  const [, port, secret] = KEY.exec(code) ?? [];
  if (port === undefined || secret === undefined) throw new Error('This link is not whole: copy all of it.');
  const headers = { authorization: `Code ${secret}` };
  let answer: Response;
  try {
    answer = await fetch(`http://127.0.0.1:${port}/token`, { method: 'POST', headers });
  } catch {
    // What a browser says of it names no reason.
    throw new Error('`sluice up` does not answer: open the link that it printed last.');
  }
  if (!answer.ok) throw new Error(await answer.text());
  const given: unknown = await answer.json();
  if (typeof given !== 'object' || given === null || !('token' in given) || typeof given.token !== 'string')
    throw new Error('`sluice up` gave no token: see that the page and the command are of one version.');
  return {
    token: given.token,
    kill: 'kill' in given && typeof given.kill === 'string' ? given.kill : undefined,
  };
};
