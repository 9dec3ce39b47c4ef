const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const NOTHING = '–';

/** 1,234; from a million on 1.2M. */
export const count = (value: number | undefined | null): string =>
  value === undefined || value === null
    ? NOTHING
    : Math.abs(value) >= 1e6
      ? short.format(value)
      : whole.format(value);

/** 7 ms, 1.24 s, 2 min 5 s */
export const duration = (ms: number | undefined | null): string => {
  if (ms === undefined || ms === null) return NOTHING;
  if (ms === 0) return '0 ms';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

/** What so many tokens are worth. @param price of 1,000,000 */
export const money = (tokens: number, price: number): string => {
  const amount = (tokens / 1e6) * price;
  return `$${amount.toFixed(amount > 0 && amount < 1 ? 4 : 2)}`;
};

export const clockTime = (at: number): string => new Date(at).toLocaleTimeString('en-GB');
