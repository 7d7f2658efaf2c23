// Unmaps the pages of this program's own code, which are read again from the kernel's file cache when they are used. A
// fault maps 16 of them again and takes a microsecond, and most of a Node program's 60 MB of code are used only once.
//
// pageOut (page-out.ts) is for idle agents: it returns the pages to the kernel also if they must come from the disk then,
// but only those that no other process maps.

import { readFileSync, readlinkSync } from "node:fs";
import { libc } from "../libc.ts";
import { type AddressRange, readOnlyFileRanges } from "./page-out.ts";

const madvise = libc.func("int madvise(uintptr_t address, size_t bytes, int advice)");
const MADV_DONTNEED = 4;

let ranges: readonly AddressRange[] | undefined;

/** Takes about 2 ms. */
export function unmapCode(): void {
  // Looked up once: the program's own mappings stay as long as it runs. Those of libraries may be replaced.
  ranges ??= codeRanges(readFileSync("/proc/self/smaps", "utf8"), readlinkSync("/proc/self/exe"));
  for (const { start, bytes } of ranges) madvise(start, bytes, MADV_DONTNEED);
}

/**
 * The private, read-only mappings of the file `program` in `smaps`. Not those in which a page differs from the file
 * (Anonymous is not 0), for example because the loader has relocated addresses in it: such a page would be lost.
 */
export function codeRanges(smaps: string, program: string): AddressRange[] {
  return smaps
    .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
    .filter((mapping) => mapping.includes(`${program}\n`) && /^Anonymous: +0 kB$/m.test(mapping))
    .flatMap((mapping) => readOnlyFileRanges(mapping.slice(0, mapping.indexOf("\n"))));
}
