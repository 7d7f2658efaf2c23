// Settings of glibc's malloc. musl has none of them, and needs none: it returns free memory soon.

import { libc } from "../libc.ts";

const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;

/**
 * The initial value of glibc, which is fixed by setting it. Not 64 KiB: then each buffer of a read, and each text of its frame
 * in JSON, would be mapped, cleared and unmapped for itself, which halves the rate of JSON output.
 */
const THRESHOLD_BYTES = 128 * 1024;
/** While much memory is resident, these blocks leave no gaps in the heap. */
const SMALL_THRESHOLD_BYTES = 64 * 1024 - 64;
/** One for the main thread, one for the threads of libuv's pool. */
const ARENAS = 2;

/**
 * From now on large blocks return to the kernel when they are freed. By default glibc raises its thresholds with each large
 * block that is freed, up to 32 MiB, and keeps that much for each arena: after requests of 15 MB the agent held 40 MB of
 * free memory.
 */
export function returnFreeMemory(): void {
  setOption(M_MMAP_THRESHOLD, THRESHOLD_BYTES);
  setOption(M_TRIM_THRESHOLD, THRESHOLD_BYTES);
  setOption(M_ARENA_MAX, ARENAS);
}

let mapsSmallBlocks = false;

/** While this is set, blocks of 64 KiB also return to the kernel when they are freed. */
export function setMapsSmallBlocks(value: boolean): void {
  if (value === mapsSmallBlocks) return;
  mapsSmallBlocks = value;
  setOption(M_MMAP_THRESHOLD, mapsSmallBlocks ? SMALL_THRESHOLD_BYTES : THRESHOLD_BYTES);
}

let mallopt: ((name: number, value: number) => unknown) | undefined;

function setOption(name: number, value: number): void {
  mallopt ??= glibcFunction("int mallopt(int name, int value)") ?? (() => undefined);
  mallopt(name, value);
}

let mallocTrim: ((keptBytes: number) => unknown) | undefined;

/** Returns also the free memory between blocks that are in use. Takes 1 ms or more. */
export function returnGaps(): void {
  mallocTrim ??= glibcFunction("int malloc_trim(size_t bytes)") ?? (() => undefined);
  mallocTrim(0);
}

function glibcFunction(declaration: string): ((...values: number[]) => unknown) | undefined {
  try {
    return libc.func(declaration);
  } catch {
    return undefined;
  }
}
