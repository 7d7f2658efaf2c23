import { availableParallelism } from "node:os";
import { defineConfig, type TestUserConfig } from "vitest/config";
import { nativePackages } from "./scripts/bundle.mjs";
import { threadSource } from "./scripts/thread-source.mjs";
import { longTests } from "./test/project/long-tests.ts";
import { LongestFirst } from "./test/project/longest-first.ts";
import { volume } from "./test/support/volume.ts";

/** Of every run of vitest, long ones and packages included. */
export const common = {
  setupFiles: ["test/project/fail-on-warnings.ts", "test/project/leave-children-to-node.ts"],
  // Never threads: SIGCHLD is delivered to the process, and an agent in the test must be the one that hears it.
  pool: "forks",
  // Tests of one file that only wait, wait side by side.
  maxConcurrency: 20,
  // For machines that do a lot else: no test needs a third of it alone.
  testTimeout: volume(90_000, 1_800_000),
  hookTimeout: 60_000,
  dangerouslyIgnoreUnhandledErrors: false,
  allowOnly: false,
  reporters: process.env["CI"] ? ["default"] : [["default", { summary: false }]],
} satisfies TestUserConfig;

/** Slow, or in need of more than a machine to develop on has: `npm run test:packaging`, `npm run fuzz`, `npm run soak`, `npm run test:console`. */
const apart = ["packaging", "fuzz", "soak", "console/pages"].map((name) => `test/${name}/**`);
/** Tests of the repository itself, of an agent that is paused, and of threads that change their identity. */
const alone = ["project", "pause", "filesystem"].map((name) => `test/${name}/**/*.test.ts`);

export default defineConfig({
  plugins: [threadSource(import.meta.dirname, { external: nativePackages })],
  test: {
    ...common,
    // One more than cores (and never one alone): there is always a file that only waits, for the kernel to give up a peer or
    // for a second to pass.
    maxWorkers: Math.max(2, availableParallelism()) + 1,
    sequence: { sequencer: LongestFirst },
    // `npm test` runs all of them, `npm run check` only the first two.
    projects: [
      {
        extends: true,
        test: {
          name: "shared",
          include: ["test/**/*.test.ts"],
          exclude: [...alone, ...apart, ...longTests.shared],
          // The files share as many processes as run at a time, which saves a third of their CPU time.
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: "alone", include: alone, exclude: [...longTests.alone], isolate: true },
      },
      { extends: true, test: { name: "long", include: [...longTests.shared], isolate: false } },
      { extends: true, test: { name: "long-alone", include: [...longTests.alone], isolate: true } },
    ],
  },
});
