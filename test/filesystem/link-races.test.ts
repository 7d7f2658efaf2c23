// A program swaps a directory and a link to another one while files are removed and moved: nothing
// outside is touched, in any order of events.

import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createFileAccess, findFileUser } from "../../src/filesystem/index.ts";
import { swapPaths } from "../support/proc/path-swapper.ts";
import { createTempFolder } from "../support/temp-folder.ts";

test("removing a tree whose directory becomes a link removes nothing behind the link", async () => {
  const access = createFileAccess("agent");
  onTestFinished(() => access.close());
  const files = access.for(await findFileUser(undefined));
  const folder = createTempFolder();
  const outside = join(folder, "outside");
  mkdirSync(outside);
  for (let index = 0; index < 50; index++) writeFileSync(join(outside, `kept-${index}`), "");
  for (let round = 0; round < 30; round++) {
    const tree = join(folder, `tree-${round}`);
    mkdirSync(join(tree, "a/sub"), { recursive: true });
    for (let index = 0; index < 50; index++) writeFileSync(join(tree, `a/${index}`), "");
    symlinkSync(outside, join(tree, "b"));
    const swapper = await swapPaths(join(tree, "a"), join(tree, "b"));
    // It may fail, because the directory changes under it; it may not leave the tree.
    await files.call("remove", [tree]).catch(() => undefined);
    swapper.kill("SIGKILL");
    expect(readdirSync(outside).length).toBe(50);
  }
});

test("listing a tree whose directory becomes a link lists nothing behind the link", async () => {
  const access = createFileAccess("agent");
  onTestFinished(() => access.close());
  const files = access.for(await findFileUser(undefined));
  const folder = createTempFolder();
  mkdirSync(join(folder, "outside"));
  writeFileSync(join(folder, "outside/secret"), "");
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "a"), { recursive: true });
  writeFileSync(join(tree, "a/inside"), "");
  symlinkSync("../outside", join(tree, "b"));
  await swapPaths(join(tree, "a"), join(tree, "b"));
  const names = new Set<string>();
  for (let round = 0; round < 500; round++) {
    const request = { path: tree, shownPath: tree, depth: 5, maxEntries: 1000, after: undefined };
    await files.call("list", [request], {
      onPart: (part) => {
        for (const { name } of part as { name: string }[]) names.add(name);
      },
    });
  }
  expect(names).toContain("inside");
  expect(names).not.toContain("secret");
});
