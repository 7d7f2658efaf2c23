// Tests of the console's pages in a real browser. One after the other: several browsers at a time are slow.
import { defineConfig } from "vitest/config";
import { common } from "../../../vitest.config.ts";

export default defineConfig({
  test: {
    ...common,
    include: ["test/console/pages/**/*.test.ts"],
    exclude: [],
    fileParallelism: false,
    // A busy machine answers late.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
