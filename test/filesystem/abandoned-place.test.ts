// A caller whose call took too long closes the descriptor of its content, and another upload may get the number.

import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { place } from "../../src/filesystem/transfer/place.ts";
import { createTempFolder } from "../support/temp-folder.ts";

test("content is stored although its caller has closed the descriptor in the middle", () => {
  const folder = createTempFolder();
  const path = join(folder, "file");
  // The kernel copies 16 MiB at a time.
  const bytes = 40 * 1024 * 1024;
  writeFileSync(path, Buffer.alloc(bytes, "o"));
  const ours = join(folder, "ours");
  writeFileSync(ours, Buffer.alloc(bytes, "n"));
  const others = join(folder, "others");
  writeFileSync(others, Buffer.alloc(bytes, "x"));
  const fd = openSync(ours, "r");
  const opened: number[] = [];
  onTestFinished(() => {
    for (const each of opened) closeSync(each);
  });
  let steps = 0;
  const step = () => {
    // The first one is before anything changes.
    if (++steps !== 2) return;
    closeSync(fd);
    while (!opened.includes(fd)) opened.push(openSync(others, "r"));
  };
  place(
    { step, emit: () => undefined },
    {
      path: Buffer.from(path),
      content: { kind: "spool", bytes, fd },
      spool: { fd, isLinkable: false, directory: folder },
      metadata: {},
      owner: undefined,
      mode: undefined,
      following: "all",
      isAtomic: false,
      isSynced: false,
      expected: undefined,
    },
  );
  expect(steps).toBeGreaterThan(2);
  expect(readFileSync(path).equals(Buffer.alloc(bytes, "n"))).toBe(true);
});
