// For `npm run coverage`: the tests, with what they reach in their own process and in every process that they start.

import { mergeConfig } from "vitest/config";
import base from "../vitest.config.ts";

export default mergeConfig(base, {
  root: new URL("..", import.meta.url).pathname,
  test: {
    // Set in the workers only: Node passes it on to all their children, which write a file when they exit.
    env: { NODE_V8_COVERAGE: process.env["HOLDFAST_COVERAGE_OF_CHILDREN"] },
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts", "src/**/*.cts"],
      exclude: ["src/gen/**"],
      reporter: ["json"],
      reportsDirectory: process.env["HOLDFAST_COVERAGE_OF_TESTS"],
      reportOnFailure: true,
    },
  },
});
