#!/usr/bin/env node
/** Plain JavaScript, so that it runs from a clean clone. The package has a build and nothing else. */
import { existsSync } from 'node:fs';

const isRepository = existsSync(new URL('../src', import.meta.url));
const { main } = isRepository
  ? await (await import('./from-repository.js')).load()
  : await import('../dist/main.js');
await main(process.argv);
