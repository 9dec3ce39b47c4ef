/** Shown at once, the `3` of `3. third` would be a word of the second item until its dot comes. */
const ONLY_A_MARKER = /^\s*(\d{1,9}[.)]?|[-*+#>]{1,6})$/;

/**
 * Closes what the end of a text that still grows leaves open, so that `**bo` is shown as bold at once and not as
 * two stars that vanish a moment later. Only the last line is looked at: Markdown's inline marks seldom span
 * lines, and a wrong guess lasts one frame.
 */
export const healTail = (text: string): string => {
  const at = text.lastIndexOf('\n') + 1;
  const line = text.slice(at);
  if (at > 0 && ONLY_A_MARKER.test(line)) return text.slice(0, at);
  const healed = healLine(line);
  return healed === line ? text : text.slice(0, at) + healed;
};

const healLine = (line: string): string => {
  const code = withClosedCode(line);
  if (code !== line) return code;
  const bare = line.replace(/`[^`]*`|\\\(.*?\\\)|\$[^$\s][^$]*\$/g, (span) => '_'.repeat(span.length));
  const link = withoutOpenLink(line, bare);
  return link === line ? withClosedEmphasis(line, bare) : link;
};

const withClosedCode = (line: string): string => {
  const ticks = line.match(/`/g)?.length ?? 0;
  if (ticks % 2 === 0 || /`{2,}/.test(line)) return line;
  // Nothing is in the span yet: the tick alone would be shown.
  return line.endsWith('`') ? line.slice(0, -1) : `${line}\``;
};

/** `[words](https://half` is shown as its words until the link is there. */
const withoutOpenLink = (line: string, bare: string): string => {
  const open = /!?\[([^[\]]*)(\](\([^()\s]*)?)?$/.exec(bare);
  if (open === null) return line;
  const { index } = open;
  const words = line
    .slice(index)
    .replace(/^!?\[/, '')
    .replace(/\](\([^()\s]*)?$/, '');
  // A task's box at the start of a list item is no link.
  return /^\s*([-*+]|\d+[.)])\s$/.test(line.slice(0, index)) ? line : line.slice(0, index) + words;
};

const withClosedEmphasis = (line: string, bare: string): string => {
  for (const mark of ['**', '~~', '*']) {
    const plain = mark === '*' ? bare.replaceAll('**', '__').replace(/^\s*\*\s/, '  ') : bare;
    const count = plain.split(mark).length - 1;
    if (count % 2 === 0) continue;
    const at = plain.lastIndexOf(mark);
    const rest = line.slice(at + mark.length);
    // A mark with nothing after it opens nothing yet, and one before a space never will.
    if (rest === '') return line.slice(0, at);
    if (!/^\s/.test(rest)) return line.trimEnd() + mark;
  }
  return line;
};
