// The order of the test files: those that take longest first, so that all cores are busy until the end. Vitest
// knows the durations of its last run on this machine, but in a fresh clone it starts with the largest files.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** In this order. `npx vitest run --reporter=json` shows the durations. */
const LONGEST = [
  "chaos/dead-network",
  "project/docs/commands",
  "cli/session/run",
  "wire/keep-alive-clients",
  "chaos/strangers",
  "chaos/complete-output",
  "chaos/cutting-proxy",
  "chaos/slow-transports",
  "cli/session/attach",
  "chaos/memory-budget",
  "chaos/ghosts",
  "wire/vanish",
  "client/silence",
  "wire/connect-es",
  "wire/delivery",
].map((name) => fileURLToPath(new URL(`../${name}.test.ts`, import.meta.url)));

for (const path of LONGEST)
  if (!existsSync(path))
    throw new Error(`${path} does not exist; correct LONGEST in test/project/longest-first.ts`);

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.indexOf(moduleId);
      return index < 0 ? LONGEST.length : index;
    };
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}
