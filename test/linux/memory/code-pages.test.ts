import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { codeRanges, unmapCode } from "../../../src/linux/memory/code-pages.ts";

const SMAPS = `00400000-00b00000 r--p 00000000 fe:00 42                         /opt/node
Size:               7168 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
00b00000-00b01000 r-xp 00700000 fe:00 42                         /opt/node
Size:                  4 kB
Anonymous:             0 kB
00b01000-00b03000 r--p 00701000 fe:00 42                         /opt/node
Size:                  8 kB
Anonymous:             4 kB
00b03000-00b04000 rw-p 00703000 fe:00 42                         /opt/node
Size:                  4 kB
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 43                 /lib/libc.so.6
Size:                  4 kB
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00000000 00:00 0
Size:                  4 kB
Anonymous:             0 kB
`;

test("only the program's own read-only mappings without changed pages count as code", () => {
  expect(codeRanges(SMAPS, "/opt/node")).toEqual([
    { start: 0x400000, bytes: 4 * 1024 * 1024 },
    { start: 0x800000, bytes: 3 * 1024 * 1024 },
    { start: 0xb00000, bytes: 4096 },
  ]);
  expect(codeRanges(SMAPS, "/opt/nod")).toEqual([]);
});

test("unmapped code leaves at least 8 MB of resident memory, and runs on", () => {
  const before = residentFileBytes();
  unmapCode();
  expect(before - residentFileBytes()).toBeGreaterThan(8_000_000);
  expect(gzipSync(Buffer.alloc(1000)).length).toBeGreaterThan(0);
  expect(residentFileBytes()).toBeGreaterThan(0);
});

function residentFileBytes(): number {
  const [, kib = ""] = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kib) * 1024;
}
