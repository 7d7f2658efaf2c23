// Gives pages of this program's files (Node's code, shared libraries) back to the kernel. They are
// read again from the file when they are used. Only mappings that cannot be written are touched, so
// no data can be lost.

import { readFileSync } from "node:fs";
import { libc } from "../libc.ts";

const madvise = libc.func("int madvise(uintptr_t address, size_t bytes, int advice)");
const MADV_PAGEOUT = 21;

/** A step that the kernel can do in about 2 ms (measured: 20 ms for 38 MB). */
const STEP_BYTES = 4 * 1024 * 1024;

export interface AddressRange {
  readonly start: number;
  readonly bytes: number;
}

/** The private, read-only file mappings of this process in steps of at most 4 MiB. */
export function readOnlyFileRanges(maps = readFileSync("/proc/self/maps", "utf8")): AddressRange[] {
  return maps.split("\n").flatMap((line) => {
    const [, from, to, permissions, inode] = /^(\w+)-(\w+) (\S+) \S+ \S+ (\d+)/.exec(line) ?? [];
    if (from === undefined || to === undefined || inode === "0") return [];
    if (permissions !== "r--p" && permissions !== "r-xp") return [];
    return steps(Number.parseInt(from, 16), Number.parseInt(to, 16));
  });
}

function steps(from: number, to: number): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (let start = from; start < to; start += STEP_BYTES)
    ranges.push({ start, bytes: Math.min(STEP_BYTES, to - start) });
  return ranges;
}

/**
 * The kernel drops the pages of `range` that no other process maps. Returns false if it cannot
 * (Linux before 5.4).
 */
export function pageOut({ start, bytes }: AddressRange): boolean {
  return madvise(start, bytes, MADV_PAGEOUT) === 0;
}
