import { readdir, readFile } from 'node:fs/promises';

export type Descriptors = {
  /** most that this process may have open */
  readonly limit: number;
  /** open now */
  readonly used: number;
};

/** @returns undefined where there is no /proc to ask */
export const readDescriptors = async (): Promise<Descriptors | undefined> => {
  try {
    const limits = await readFile('/proc/self/limits', 'latin1');
    const limit = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
    const { length } = await readdir('/proc/self/fd');
    return { limit: limit === 'unlimited' ? Infinity : Number(limit), used: length };
  } catch {
    return undefined;
  }
};
