// The VMClock device, as a file with the content of its page.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openVmClock } from "../../src/linux/index.ts";
import { createTempFolder } from "../support/temp-folder.ts";

/** struct vmclock_abi, version 1. */
function page(generation: bigint, { magic = 0x4b4c4356, flags = 1n << 8n } = {}): Buffer {
  const bytes = Buffer.alloc(112);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(4096, 4);
  bytes.writeUInt16LE(1, 8);
  bytes.writeBigUInt64LE(flags, 24);
  bytes.writeBigUInt64LE(generation, 104);
  return bytes;
}

test("its generation is read anew each time", () => {
  const path = join(createTempFolder(), "vmclock0");
  writeFileSync(path, page(7n));
  const clock = openVmClock(path);
  expect(clock?.generation()).toBe(7n);
  writeFileSync(path, page(8n));
  expect(clock?.generation()).toBe(8n);
});

test.each([
  ["a hypervisor that does not maintain it", page(7n, { flags: 0n })],
  ["another device", page(7n, { magic: 1 })],
  ["a short page", page(7n).subarray(0, 104)],
])("%s has no generation", (_, content) => {
  const path = join(createTempFolder(), "vmclock0");
  writeFileSync(path, content);
  expect(openVmClock(path)?.generation()).toBeUndefined();
});

test("a machine without the device has no VMClock", () => {
  expect(openVmClock("/dev/no-such-clock")).toBeUndefined();
});
