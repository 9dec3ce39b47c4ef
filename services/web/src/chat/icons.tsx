import type { ReactNode } from 'react';

const Icon = ({ children }: { readonly children: ReactNode }) => (
  <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    {children}
  </svg>
);

export const PlusIcon = () => (
  <Icon>
    <path d="M10 4v12M4 10h12" />
  </Icon>
);
export const ChartIcon = () => (
  <Icon>
    <path d="M4 16V9M10 16V4M16 16v-5" />
  </Icon>
);
export const MenuIcon = () => (
  <Icon>
    <path d="M3 6h14M3 10h14M3 14h9" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M5 5l10 10M15 5L5 15" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4M5 9l5-5 5 5" />
  </Icon>
);
export const StopIcon = () => (
  <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    <rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" stroke="none" />
  </svg>
);
export const CopyIcon = () => (
  <Icon>
    <rect x="7" y="7" width="9" height="10" rx="2" />
    <path d="M13 7V5a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h1" />
  </Icon>
);
export const AgainIcon = () => (
  <Icon>
    <path d="M15.5 8A6 6 0 1 0 16 11M16 4v4h-4" />
  </Icon>
);
export const ShareIcon = () => (
  <Icon>
    <path d="M8 12l4-4M8.5 6.5l2-2a3.2 3.2 0 0 1 4.6 4.6l-2 2M11.5 13.5l-2 2a3.2 3.2 0 0 1-4.6-4.6l2-2" />
  </Icon>
);
export const PulseIcon = () => (
  <Icon>
    <path d="M2.5 10.5h3.5l2-6 4 11 2-5h3.5" />
  </Icon>
);
export const DownIcon = () => (
  <Icon>
    <path d="M10 4v12M5 11l5 5 5-5" />
  </Icon>
);
export const ThemeIcon = () => (
  <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    <circle cx="10" cy="10" r="6.5" />
    <path d="M10 3.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />
  </svg>
);
export const LeaveIcon = () => (
  <Icon>
    <path d="M8 4H5.5A1.5 1.5 0 0 0 4 5.5v9A1.5 1.5 0 0 0 5.5 16H8M12.5 13.5L16 10l-3.5-3.5M16 10H8" />
  </Icon>
);

export const Logo = () => (
  <svg className="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="8" />
    <path d="M7 11.5c3-2.6 6-2.6 9 0s6 2.6 9 0" />
    <path d="M7 17c3-2.6 6-2.6 9 0s6 2.6 9 0" opacity=".75" />
    <path d="M7 22.5c3-2.6 6-2.6 9 0s6 2.6 9 0" opacity=".45" />
  </svg>
);
