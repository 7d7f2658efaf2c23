// Random bytes from the kernel at the moment of use. Node's randomUUID and randomBytes draw from
// caches in the process: 1,000 calls make no getrandom call, so VMs restored from one snapshot
// would get the same ids. The kernel reseeds its generator when a VM is restored (rule 18).

import { closeSync, openSync } from "node:fs";
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

const ioctl = libc.func("int ioctl(int fd, unsigned long request, const void *argument)");
const RNDADDENTROPY = 0x40085203;
const RNDRESEEDCRNG = 0x5207;

/** Mixes `bytes` into the kernel's random numbers and makes them count at once. False without the permission (root). */
export function addKernelEntropy(bytes: Uint8Array): boolean {
  let fd: number;
  try {
    fd = openSync("/dev/random", "w");
  } catch {
    // EACCES, or a container without the device.
    return false;
  }
  try {
    // struct rand_pool_info: the bits of entropy, the size in bytes, the bytes.
    const info = Buffer.alloc(8 + bytes.length);
    info.writeInt32LE(bytes.length * 8, 0);
    info.writeInt32LE(bytes.length, 4);
    info.set(bytes, 8);
    return ioctl(fd, RNDADDENTROPY, info) === 0 && ioctl(fd, RNDRESEEDCRNG, null) === 0;
  } finally {
    closeSync(fd);
  }
}
