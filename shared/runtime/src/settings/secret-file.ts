import { readFileSync } from 'node:fs';

/** The variable that names the file which holds the value of `env`. */
export const fileVariable = (env: string): string => `${env}_FILE`;

/** The text of a file without the line break that editors add. @throws Error with the system's `code` */
export const readSecretFile = (path: string): string => readFileSync(path, 'utf8').replace(/\r?\n$/, '');
