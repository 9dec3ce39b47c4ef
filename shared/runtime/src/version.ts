/** The version of Sluice: all of its packages carry the same one, and `npm version` sets it. */
export const VERSION = '0.1.0';
