import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/project/fail-on-warnings.ts"],
    // Never threads: SIGCHLD is delivered to the process, and an agent in the test must be the one that hears it.
    pool: "forks",
    // Vitest's default leaves one core free, which on two cores is no parallel run at all.
    maxWorkers: Math.max(2, availableParallelism()),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    dangerouslyIgnoreUnhandledErrors: false,
    allowOnly: false,
    reporters: process.env["CI"] ? ["default"] : [["default", { summary: false }]],
  },
});
