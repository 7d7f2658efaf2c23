// Long runs, apart from `npm test`: `npm run fuzz` and `npm run soak`.
import { defineConfig } from "vitest/config";
import base from "../../vitest.config.ts";

export default defineConfig({
  test: {
    ...base.test,
    include: ["test/fuzz/**/*.test.ts", "test/soak/**/*.test.ts"],
    exclude: [],
    maxWorkers: 1,
    reporters: ["default"],
  },
});
