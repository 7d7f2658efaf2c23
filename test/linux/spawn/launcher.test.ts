// The launcher's image is what its source compiles to, as far as a machine without a compiler can
// tell.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readReport } from "../../../src/linux/index.ts";
import { LAUNCHER_IMAGES, LAUNCHER_SOURCE_SHA256 } from "../../../src/linux/spawn/launcher-images.ts";

test("the images were built from the source as it is (scripts/build-launcher.mjs)", () => {
  const source = readFileSync(new URL("../../../src/linux/spawn/launcher.c", import.meta.url));
  expect(createHash("sha256").update(source).digest("hex")).toBe(LAUNCHER_SOURCE_SHA256);
  expect(Object.keys(LAUNCHER_IMAGES)).toEqual(["x64", "arm64"]);
});

test.each(Object.entries(LAUNCHER_IMAGES))("the image for %s is a static program", (_, image) => {
  const elf = Buffer.from(image, "base64");
  expect(elf.toString("latin1", 1, 4)).toBe("ELF");
  const [at, bytes, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  const types = Array.from({ length: count }, (_unused, index) => elf.readUInt32LE(at + index * bytes));
  // PT_DYNAMIC and PT_INTERP.
  expect(types).not.toContain(2);
  expect(types).not.toContain(3);
});

test.each([
  ["", { step: "user" }],
  ["d", { step: "cwd" }],
  ["dx", { step: "command" }],
  ["dD\x02\x00/a", { step: "cwd", failure: { errno: 2, path: "/a" } }],
  ["dxX\x0d\x01/x/d", { step: "command", failure: { errno: 269, path: "/x/d" } }],
  ["dxI\x02\x00/x", { step: "interpreter", failure: { errno: 2, path: "/x" } }],
  ["U\x01\x00", { step: "user", failure: { errno: 1, path: "" } }],
])("the report %j is read", (text, expected) => {
  expect(readReport(Buffer.from(text, "latin1"))).toEqual(expected);
});
