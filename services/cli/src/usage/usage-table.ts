/** The edge's CSV as columns for people; numbers to the right. */
export const tableOf = (csv: string): string => {
  const rows = rowsOf(csv).map((row) => row.map(printable));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => padded(cell, widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
};

const padded = (cell: string, width: number): string =>
  /^\d+(\.\d+)?(e-\d+)?$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);

/** A user's name must not speak to the terminal: controls, and what changes the direction of a line. */
const printable = (cell: string): string => cell.replaceAll(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}');

/** RFC 4180. */
const rowsOf = (csv: string): string[][] => {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain = '', end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
};
