import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { nativePackages } from "./scripts/bundle.mjs";
import { threadSource } from "./scripts/thread-source.mjs";

export default defineConfig({
  plugins: [threadSource(import.meta.dirname, { external: nativePackages })],
  test: {
    include: ["test/**/*.test.ts"],
    // Slow, or in need of more than a machine to develop on has: `npm run test:packaging`, `npm run fuzz`, `npm run soak`.
    exclude: ["test/packaging/**", "test/fuzz/**", "test/soak/**"],
    setupFiles: ["test/project/fail-on-warnings.ts"],
    // Never threads: SIGCHLD is delivered to the process, and an agent in the test must be the one that hears it.
    pool: "forks",
    // One more than cores (and never one alone): there is always a file that only waits, for the kernel to give up a peer or
    // for a second to pass.
    maxWorkers: Math.max(2, availableParallelism()) + 1,
    // Tests of one file that only wait, wait side by side.
    maxConcurrency: 20,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    dangerouslyIgnoreUnhandledErrors: false,
    allowOnly: false,
    reporters: process.env["CI"] ? ["default"] : [["default", { summary: false }]],
  },
});
