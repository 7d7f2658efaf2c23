// Capabilities: keeps those of the agent from its children, and reports what the agent itself may do.

import koffi from "koffi";
import { systemError } from "./errno.ts";
import { libc, prctl } from "./libc.ts";

/** The sets as bit masks, of the main thread of the agent, which starts every child. */
interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

export const CAP_SYS_NICE = 23n;

/** _LINUX_CAPABILITY_VERSION_3: two words for each set, and pid 0 for the calling thread. */
const HEADER = Buffer.from(new Uint32Array([0x20080522, 0]).buffer);
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const MAX_CAPABILITY = 63n;

const capget = libc.func("int capget(void *header, void *data)");
const capset = libc.func("int capset(void *header, void *data)");

/**
 * Clears the inheritable and the ambient set (from AmbientCapabilities of a unit or an old
 * container engine), so that no command starts with them. The agent keeps its permitted and
 * effective sets. Call it on the thread that starts children.
 */
export function keepCapabilities(): void {
  // EINVAL: a kernel before 4.3 has no ambient set.
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const sets = ownCapabilities();
  if (sets.inheritable === 0n) return;
  if (capset(HEADER, encode({ ...sets, inheritable: 0n })) !== 0)
    throw systemError("drop inheritable capabilities", koffi.errno());
}

/**
 * For the moment before an exec: an agent that is not root and has its capabilities from AmbientCapabilities of its
 * unit would lose them. `keepCapabilities` is among the first acts of the next image, and undoes it here.
 */
export function passCapabilitiesOn(): void {
  const sets = ownCapabilities();
  if (sets.permitted === 0n || process.geteuid?.() === 0) return;
  if (capset(HEADER, encode({ ...sets, inheritable: sets.permitted })) !== 0)
    throw systemError("pass capabilities on", koffi.errno());
  for (let number = 0n; number <= MAX_CAPABILITY; number++)
    if ((sets.permitted & (1n << number)) !== 0n)
      prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, Number(number), 0, 0);
}

/** Leaves the calling thread without any capability. */
export function dropCapabilities(): void {
  if (capset(HEADER, encode({ effective: 0n, permitted: 0n, inheritable: 0n })) !== 0)
    throw systemError("drop the capabilities of a thread", koffi.errno());
}

export function hasCapability(number: bigint): boolean {
  return (ownCapabilities().effective & (1n << number)) !== 0n;
}

function ownCapabilities(): CapabilitySets {
  const data = Buffer.alloc(24);
  if (capget(HEADER, data) !== 0) throw systemError("read the agent's capabilities", koffi.errno());
  const set = (index: number) =>
    BigInt(data.readUInt32LE(4 * index)) | (BigInt(data.readUInt32LE(4 * (index + 3))) << 32n);
  return { effective: set(0), permitted: set(1), inheritable: set(2) };
}

function encode({ effective, permitted, inheritable }: CapabilitySets): Buffer {
  const data = Buffer.alloc(24);
  for (const [index, set] of [effective, permitted, inheritable].entries()) {
    data.writeUInt32LE(Number(set & 0xffff_ffffn), 4 * index);
    data.writeUInt32LE(Number(set >> 32n), 4 * (index + 3));
  }
  return data;
}
