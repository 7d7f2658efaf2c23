// A caller may give up while its file is written in place, after it was stuck in the file system.

import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FileError } from "../../src/filesystem/file-error.ts";
import { place } from "../../src/filesystem/transfer/place.ts";
import { createTempFolder } from "../support/temp-folder.ts";

test("a copy over old content that has begun is completed, although its caller gave up", () => {
  const folder = createTempFolder();
  const path = join(folder, "file");
  // The kernel copies 16 MiB at a time.
  const bytes = 40 * 1024 * 1024;
  writeFileSync(path, Buffer.alloc(bytes, "o"));
  const newContent = join(folder, "new");
  writeFileSync(newContent, Buffer.alloc(bytes, "n"));
  const fd = openSync(newContent, "r");
  onTestFinished(() => closeSync(fd));
  let steps = 0;
  const step = () => {
    // The first is before anything changes.
    if (++steps > 1) throw new FileError("unavailable", "the caller gave up");
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
