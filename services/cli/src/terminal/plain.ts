/**
 * What a terminal acts on, or a reader cannot see: controls but line feed and tab, marks that turn the direction of
 * text, and characters without a shape. Joiners and variation selectors stay: emoji and some scripts need them.
 */
const UNSAFE =
  // oxlint-disable-next-line no-control-regex
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

const hexOf = (character: string): string => (character.codePointAt(0) ?? 0).toString(16).toUpperCase();

/** The shape that Unicode has for a control, such as ␛; else its number. */
const shapeOf = (character: string): string => {
  const code = character.codePointAt(0) ?? 0;
  if (code === 0x7f) return '\u2421';
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `<U+${hexOf(character).padStart(4, '0')}>`;
};

/** Text of whatever origin as a terminal may get it: what is unsafe is shown, and does nothing. */
export const plain = (text: string): string => text.replaceAll('\r\n', '\n').replaceAll(UNSAFE, shapeOf);

const escapeOf = (character: string): string =>
  character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');

/** JSON as a terminal may get it: what is unsafe is escaped, also where JSON does not ask for that. */
export const plainJson = (json: string): string => json.replaceAll(UNSAFE, escapeOf);

export const jsonLine = (value: unknown): string => `${plainJson(JSON.stringify(value))}\n`;
