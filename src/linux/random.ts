// Random bytes from the kernel at the moment of use. Node's randomUUID and randomBytes draw from
// caches in the process: 1,000 calls make no getrandom call, so VMs restored from one snapshot
// would get the same ids. The kernel reseeds its generator when a VM is restored (rule 18).

import koffi from "koffi";
import { systemError } from "./errno.ts";
import { libc } from "./libc.ts";

const getrandom = libc.func("long getrandom(_Out_ uint8_t *buffer, size_t size, unsigned int flags)");

/** Of one call. Up to this size, the kernel never returns fewer bytes than asked for. */
const MAX_BYTES = 256;

/** `size` is at most 256. */
export function kernelRandomBytes(size: number): Buffer {
  if (size > MAX_BYTES) throw new RangeError(`${size} random bytes in one call; the limit is ${MAX_BYTES}`);
  const bytes = Buffer.alloc(size);
  if (getrandom(bytes, size, 0) !== size) throw systemError("get random bytes", koffi.errno());
  return bytes;
}

/** A UUID of version 4. */
export function kernelRandomUuid(): string {
  const bytes = kernelRandomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
