/** Controls, marks that turn the direction of text, halves of pairs, and whatever has no shape of its own. */
const UNREADABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;

/**
 * Whether a name of a person, a model or a session can be told from others by looking at it as far as characters go:
 * names are shown beside others, in lists and logs, and none may hide a part of itself or change what is beside it.
 */
export const isReadableName = (name: string): boolean =>
  name !== '' && name.trim() === name && !UNREADABLE.test(name);
