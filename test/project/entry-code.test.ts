// The machine code that the single executable runs before Node is what its sources compile to.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ENTRY_CODE } from "../../scripts/binary/entry.mjs";
import { createTempFolder } from "../support/temp-folder.ts";

const sources = join(import.meta.dirname, "../../scripts/binary/entry");
/** The name of the compiler for each, on x64. */
const prefixes = { x64: "", arm64: "aarch64-linux-gnu-" } as const;

for (const arch of ["x64", "arm64"] as const) {
  const tool = (name: string) => `${prefixes[arch]}${name}`;
  const isMissing = process.arch !== "x64" || spawnSync(tool("gcc"), ["--version"]).error !== undefined;
  test.skipIf(isMissing)(`the code for ${arch} is compiled from its source`, () => {
    const folder = createTempFolder();
    const [object, binary] = [join(folder, "entry.o"), join(folder, "entry.bin")];
    execFileSync(tool("gcc"), ["-c", "-o", object, join(sources, `${arch}.S`)]);
    execFileSync(tool("objcopy"), ["-O", "binary", "-j", ".text", object, binary]);
    expect(readFileSync(binary).toString("base64")).toBe(ENTRY_CODE[arch]);
  });
}
