// The VMClock device, by which a hypervisor informs its guest that it was restored from a snapshot. (VMGenID, its older
// relative, only makes the kernel reseed its random numbers and shows no value to programs.)

import { openSync, readSync } from "node:fs";

const MAGIC = 0x4b4c4356;
const FLAG_GENERATION_PRESENT = 1n << 8n;
/** Offsets in struct vmclock_abi, which is little-endian. */
const FLAGS_AT = 24;
const GENERATION_AT = 104;
const SIZE = 112;

export interface VmClock {
  /** Changes when the VM is restored from a snapshot. undefined if the hypervisor does not maintain it. */
  generation(): bigint | undefined;
}

/** undefined where there is no such device, or no permission to read it. */
export function openVmClock(path = "/dev/vmclock0"): VmClock | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    // ENOENT: no hypervisor, or one without the device. EACCES: not root.
    return undefined;
  }
  const page = Buffer.alloc(SIZE);
  return {
    generation: () => {
      if (readSync(fd, page, 0, SIZE, 0) !== SIZE || page.readUInt32LE(0) !== MAGIC) return undefined;
      const hasGeneration = (page.readBigUInt64LE(FLAGS_AT) & FLAG_GENERATION_PRESENT) !== 0n;
      return hasGeneration ? page.readBigUInt64LE(GENERATION_AT) : undefined;
    },
  };
}
