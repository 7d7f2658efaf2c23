// Tests of the packages where they are installed: slow, with root and registries, and so apart from
// `npm test`.
import { defineConfig } from "vitest/config";
import { common } from "../../vitest.config.ts";

export default defineConfig({
  test: {
    ...common,
    include: ["test/packaging/**/*.test.ts"],
    exclude: [],
    testTimeout: 60_000,
    hookTimeout: 240_000,
  },
});
