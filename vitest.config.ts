import { defineConfig } from 'vitest/config'

/** Tests that start whole networks of processes: one file at a time, after everything else. */
const PROCESSES = [
  'test/end-to-end/**/*.test.ts',
  'test/acceptance/clients.test.ts',
  'test/acceptance/script-differential.test.ts',
  'test/docs/readme.test.ts',
]

export default defineConfig({
  test: {
    setupFiles: ['./test/support/install-backends.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'rules',
          include: ['test/**/*.test.ts'],
          exclude: PROCESSES,
          // Generous: a machine may be busy, and a limit is there only to end what hangs.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          include: PROCESSES,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
