export type Theme = 'system' | 'light' | 'dark';

const KEY = 'sluice.theme';
const NEXT: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' };

export const savedTheme = (): Theme => {
  const saved = localStorage.getItem(KEY);
  return saved === 'light' || saved === 'dark' ? saved : 'system';
};

/** The colours follow `color-scheme`, see styles/tokens.css. */
export const applyTheme = (theme: Theme): void => {
  document.documentElement.style.colorScheme = theme === 'system' ? 'light dark' : theme;
  if (theme === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
};

export const nextTheme = (theme: Theme): Theme => NEXT[theme];
