import { expect, test } from "vitest";
import { globsBefore } from "../../../src/cli/copy/done-before.ts";
import { pathFilter } from "../../../src/filesystem/index.ts";
import { seededRandom } from "../../support/seeded-random.ts";

test("few globs name all entries that have arrived", () => {
  const seen = ["a", "a/x", "b10", "b11", "b2", "b3", "c"];
  expect(globsBefore(seen, "b3", false, 64)).toEqual(["/a*", "/b1*", "/b2*", "/b3"]);
  expect(globsBefore(["d", "d/a", "d/b"], "d/b", false, 64)).toEqual(["/d/a*", "/d/b"]);
  expect(globsBefore(["d", "d/a", "d/b"], "d/b", true, 64)).toEqual(["/d/a*"]);
});

test("names with wildcards and names that begin others are sent again", () => {
  expect(globsBefore(["a", "a*", "ab", "b"], "ab", false, 64)).toEqual(["/ab"]);
  expect(globsBefore(["a", "ab"], "ab", false, 64)).toEqual(["/ab"]);
});

/** Some names of few letters, so that many begin alike. */
function randomTree(random: () => number): string[] {
  const names = (depth: number): string[] =>
    [...new Set(Array.from({ length: 1 + Math.floor(random() * 6) }, () => word(random)))]
      .sort()
      .flatMap((name) => [
        name,
        ...(depth < 3 && random() < 0.5 ? names(depth + 1).map((below) => `${name}/${below}`) : []),
      ]);
  return names(0);
}

function word(random: () => number): string {
  return Array.from({ length: 1 + Math.floor(random() * 3) }, () => "abé*"[Math.floor(random() * 4)]).join(
    "",
  );
}

test("in random trees, the globs never name an entry that has not arrived", () => {
  for (let seed = 0; seed < 2000; seed++) {
    const random = seededRandom(seed);
    const paths = randomTree(random);
    const at = Math.floor(random() * paths.length);
    const last = paths[at] ?? "";
    const isDirectory = paths.some((path) => path.startsWith(`${last}/`));
    const isExcluded = pathFilter(globsBefore(paths.slice(0, at + 2), last, isDirectory, 64));
    for (const path of paths.slice(at + 1))
      expect(isExcluded(path), `seed ${seed}: ${path} after ${last}`).toBe(false);
  }
});
