// `npm run fuzz -- --seconds N --seed S` and `npm run soak -- --minutes N --seed S`: passes these
// options to the tests. `npm run soak -- --console-minutes N` runs that of the web console alone, and `--hostile-seconds N` without
// minutes that of the hostile clients.

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const runs = {
  fuzz: {
    file: "test/fuzz/fuzz.test.ts",
    options: { seconds: "HOLDFAST_FUZZ_SECONDS", seed: "HOLDFAST_FUZZ_SEED" },
  },
  soak: {
    file: "test/soak/",
    options: {
      minutes: "HOLDFAST_SOAK_MINUTES",
      seed: "HOLDFAST_SOAK_SEED",
      sequences: "HOLDFAST_SOAK_SEQUENCES",
      "upgrade-seconds": "HOLDFAST_SOAK_UPGRADE_SECONDS",
      "hostile-seconds": "HOLDFAST_SOAK_HOSTILE_SECONDS",
      "console-minutes": "HOLDFAST_SOAK_CONSOLE_MINUTES",
    },
  },
};

const [name = "", ...args] = process.argv.slice(2);
const run = runs[name];
if (run === undefined) fail(`unknown run "${name}": must be ${Object.keys(runs).join(" or ")}`);
const names = Object.keys(run.options);
const options = Object.fromEntries(names.map((option) => [option, { type: "string" }]));
const env = { ...process.env };
try {
  const { values } = parseArgs({ args, options });
  // A browser is not for a machine that is busy with everything else.
  if (values["console-minutes"] !== undefined) run.file = "test/soak/console.test.ts";
  else if (values["hostile-seconds"] !== undefined && values["minutes"] === undefined)
    run.file = "test/soak/hostile-clients.test.ts";
  for (const [option, value] of Object.entries(values)) {
    if (!/^\d+(\.\d+)?$/.test(value)) fail(`--${option} is "${value}", must be a number`);
    env[run.options[option]] = value;
  }
} catch (error) {
  fail(error.message);
}
const vitest = ["node_modules/vitest/vitest.mjs", "run", "-c", "test/fuzz/vitest.config.ts", run.file];
const { status } = spawnSync(process.execPath, vitest, { stdio: "inherit", env });
process.exit(status ?? 1);

function fail(message) {
  console.error(`${name}: ${message}`);
  process.exit(2);
}
