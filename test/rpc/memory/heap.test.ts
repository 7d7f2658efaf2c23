// What V8 keeps for itself after much work. Each measurement is a process of its own: the heap of this one has grown before.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const built = fileURLToPath(new URL("../../../dist/rpc/memory/garbage.js", import.meta.url));

/** Runs `script`, with or without keepHeapSmall before it, and returns the number that it prints. */
function measure(script: string, isSmall: boolean): number {
  const start = `import { collectAll, keepHeapSmall } from ${JSON.stringify(built)};
import { getHeapSpaceStatistics } from "node:v8";
${isSmall ? "keepHeapSmall();" : ""}`;
  const args = ["--input-type=module", "--eval", `${start}\n${script}`];
  return Number(
    execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }),
  );
}

const MB = 1_000_000;

test("the space for new objects does not grow with the objects that are in use", () => {
  const script = `
    let kept = [];
    let most = 0;
    for (let i = 0; i < 1_000_000; i++) {
      kept.push({ i, text: "x" + i });
      if (kept.length > 60_000) kept = [];
      if (i % 10_000 !== 0) continue;
      const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
      most = Math.max(most, space.space_size);
    }
    console.log(most);`;
  expect(measure(script, false)).toBeGreaterThan(30 * MB);
  expect(measure(script, true)).toBeLessThan(12 * MB);
});

test("the memory of large objects returns to the kernel after a collection", () => {
  const script = `
    collectAll();
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 5; round++) {
      let large = Array.from({ length: 6 }, (_, i) => new Array(300_000 + 30_000 * i).fill(i));
      large = undefined;
      collectAll();
    }
    collectAll();
    console.log(process.memoryUsage.rss() - before);`;
  expect(measure(script, true)).toBeLessThan(9 * MB);
});
