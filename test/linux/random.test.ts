// Random bytes come from the kernel at the moment of use, so that clones of a VM differ.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kernelRandomBytes, kernelRandomUuid } from "../../src/linux/index.ts";
import { startAgent } from "../support/agent/agent.ts";
import { answerOf } from "../support/clients/command-answer.ts";
import { hasPrograms } from "../support/programs.ts";
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

const hasStrace = hasPrograms("test/linux/random.test.ts", "strace");
if (!hasStrace) console.warn("SKIPPED: strace is not installed, so getrandom calls are not counted");

/** An agent, and how many calls of getrandom for `bytes` it has made. */
async function tracedAgent(): Promise<{ readonly url: string; readonly calls: (bytes: number) => number }> {
  const trace = join(createTempFolder(), "trace");
  const { url } = await startAgent({
    prefix: ["strace", "-D", "-f", "-qq", "--signal=none", "-e", "trace=getrandom", "-o", trace],
  });
  const calls = (bytes: number) =>
    readFileSync(trace, "utf8").match(new RegExp(`getrandom\\(.*, ${bytes}, 0\\) += ${bytes}$`, "gm"))
      ?.length ?? 0;
  return { url, calls };
}

test.runIf(hasStrace)("each start asks the kernel for the id of its process", async () => {
  const { url, calls } = await tracedAgent();
  for (let started = 1; started <= 20; started++) {
    const before = calls(16);
    await answerOf(url, "true", []);
    // Not from a cache that an earlier start has filled: each start makes a call of its own.
    expect(calls(16) - before).toBeGreaterThanOrEqual(1);
  }
});

test.runIf(hasStrace)("each watcher asks the kernel for its id, which is a secret", async () => {
  const { url, calls } = await tracedAgent();
  const ids = new Set<unknown>();
  for (let created = 1; created <= 20; created++) {
    const before = calls(32);
    const response = await fetch(`${url}/filesystem.Filesystem/CreateWatcher`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ path: createTempFolder() }),
    });
    expect(response.status).toBe(200);
    ids.add(((await response.json()) as { readonly watcherId?: string }).watcherId);
    expect(calls(32) - before).toBeGreaterThanOrEqual(1);
  }
  expect(ids.size).toBe(20);
});
