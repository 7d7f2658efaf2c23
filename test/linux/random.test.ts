// Random bytes come from the kernel at the moment of use, so that clones of a VM differ.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kernelRandomBytes, kernelRandomUuid } from "../../src/linux/index.ts";
import { startAgent } from "../support/agent/agent.ts";
import { answerOf } from "../support/clients/command-answer.ts";
import { createTempFolder } from "../support/temp-folder.ts";

test("a UUID has version 4 and variant 1, and no two of 10,000 are equal", () => {
  const uuids = Array.from({ length: 10_000 }, kernelRandomUuid);
  for (const uuid of uuids)
    expect(uuid).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(new Set(uuids).size).toBe(uuids.length);
});

test("every bit of the bytes takes both values", () => {
  const ones = Buffer.alloc(64);
  const zeros = Buffer.alloc(64);
  for (let i = 0; i < 100; i++) {
    const bytes = kernelRandomBytes(64);
    bytes.forEach((byte, at) => {
      ones[at] = (ones[at] ?? 0) | byte;
      zeros[at] = (zeros[at] ?? 0) | ~byte;
    });
  }
  expect(ones).toEqual(Buffer.alloc(64, 0xff));
  expect(zeros).toEqual(Buffer.alloc(64, 0xff));
});

const hasStrace = spawnSync("strace", ["-V"]).status === 0;
if (!hasStrace) console.warn("SKIPPED: strace is not installed, so getrandom calls are not counted");

test.runIf(hasStrace)("each start asks the kernel for the id of its process", async () => {
  const trace = join(createTempFolder(), "trace");
  const agent = await startAgent({
    prefix: ["strace", "-D", "-f", "-qq", "--signal=none", "-e", "trace=getrandom", "-o", trace],
  });
  const calls = () => readFileSync(trace, "utf8").match(/getrandom\(.*, 16, 0\) += 16$/gm)?.length ?? 0;
  const before = calls();
  for (let i = 0; i < 20; i++) await answerOf(agent.url, "true", []);
  expect(calls() - before).toBeGreaterThanOrEqual(20);
});
