// Calls on files for which Node has no function. They wait for the file system, so they belong on a
// thread that may wait. Each returns its result, or the errno as a negative number.

import koffi from "koffi";
import { libc } from "./libc.ts";

/** Of openat2: how the path is looked up. */
export const RESOLVE = { NO_MAGICLINKS: 0x2, NO_SYMLINKS: 0x4, BENEATH: 0x8 } as const;

export const AT_FDCWD = -100;
/** The same on x64 and arm64. */
const SYS_OPENAT2 = 437;

const openat2 = libc.func("syscall", "long", ["long", "long", "const void *", "const void *", "size_t"]);
const copyFileRange = libc.func(
  "long copy_file_range(int from, _Inout_ int64_t *fromOffset, int to, _Inout_ int64_t *toOffset, size_t bytes, unsigned int flags)",
);

/** A descriptor, close-on-exec. `flags` and `mode` as for open(2), `resolve` of `RESOLVE`. Linux 5.6. */
export function openResolved(
  folder: number,
  path: Uint8Array,
  flags: number,
  mode: number,
  resolve: number,
): number {
  const how = Buffer.from(new BigUint64Array([BigInt(flags), BigInt(mode), BigInt(resolve)]).buffer);
  const fd = Number(openat2(SYS_OPENAT2, folder, Buffer.concat([path, Buffer.alloc(1)]), how, how.length));
  return fd >= 0 ? fd : -koffi.errno();
}

/** How many bytes the kernel copied: without reading them where the file system can share them. */
export function copyRange(
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  bytes: number,
): number {
  const copied = Number(copyFileRange(from, [fromOffset], to, [toOffset], bytes, 0));
  return copied >= 0 ? copied : -koffi.errno();
}
