// Node 20 may wait for ever while it frees what is left at its end, seen after a run of half an hour: so it ends without that.
// Only once nothing keeps the event loop alive, and as the last listener, since jest sets the exit code in one.
process.once('beforeExit', () => process.on('exit', () => process.exit()));

/** ESM without a build step: sources are resolved through the `sluice-source` export condition. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['sluice-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  testMatch: ['<rootDir>/{shared,services,e2e}/**/*.test.ts'],
  modulePathIgnorePatterns: ['/dist/'],
  maxWorkers: 2,
  // Modules of ESM tests are kept for good: with a gigabyte of them a process takes longer to exit than jest waits.
  workerIdleMemoryLimit: '512MB',
  testTimeout: 30_000,
};
