// Long runs, apart from `npm test`: `npm run fuzz` and `npm run soak`.
import { defineConfig } from "vitest/config";
import { common } from "../../vitest.config.ts";

export default defineConfig({
  test: {
    ...common,
    include: ["test/fuzz/**/*.test.ts", "test/soak/**/*.test.ts"],
    exclude: [],
    maxWorkers: 1,
    reporters: ["default"],
  },
});
