import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Most files wait for processes of their own; the default leaves a core idle.
    maxWorkers: Math.max(2, availableParallelism()),
    // A machine that stood still for a moment decides no test; what fails twice is broken.
    retry: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A loaded machine decides no test.
    expect: { poll: { timeout: 60_000 } },
  },
});
