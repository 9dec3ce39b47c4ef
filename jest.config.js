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
