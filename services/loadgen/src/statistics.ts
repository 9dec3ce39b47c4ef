/** The value below which a share `quantile` (0..1) of the values lies, by nearest rank. @throws RangeError when there are none */
export const quantileOf = (values: readonly number[], quantile: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(0, Math.ceil(quantile * sorted.length) - 1);
  const value = sorted[rank];
  if (value === undefined) throw new RangeError('quantile: expected at least one value');
  return value;
};

/** The middle value, or the mean of the two in the middle. @throws RangeError when there are none */
export const medianOf = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  if (low === undefined || high === undefined) throw new RangeError('median: expected at least one value');
  return (low + high) / 2;
};

/**
 * The median of a[i] / b[i]. Each pair was measured back to back, so a machine that gets slower during
 * the run moves both sides of a pair and not the ratio.
 */
export const medianRatio = (a: readonly number[], b: readonly number[]): number =>
  medianOf(a.map((value, index) => value / (b[index] ?? Number.NaN)));
