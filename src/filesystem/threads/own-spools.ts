// The nameless files that the agent stages content in, by inode number, for all of its threads. The kernel reports changes of
// such a file to watchers of the directory in which it was opened, as changes of "#INODE": a name that never existed there.

import { fstatSync } from "node:fs";

/** The newest ones: as many as uploads that run at the same time. */
const SLOTS = 2048;
const NEXT = SLOTS;

let numbers = new BigUint64Array(new SharedArrayBuffer(8 * (SLOTS + 1)));

/** For the settings of a thread. */
export function sharedSpools(): SharedArrayBuffer {
  return numbers.buffer as SharedArrayBuffer;
}

/** On a thread, before its first operation. */
export function useSharedSpools(shared: SharedArrayBuffer): void {
  numbers = new BigUint64Array(shared);
}

/** Before the first change of the file: its event may arrive before an answer of the thread. */
export function noteOwnSpool(fd: number): void {
  const { ino } = fstatSync(fd, { bigint: true });
  const slot = Number(Atomics.add(numbers, NEXT, 1n) % BigInt(SLOTS));
  Atomics.store(numbers, slot, ino);
}

const HASH = 0x23;

/** Whether an event of a change with this name is about a nameless file of the agent. */
export function isOwnSpool(name: Uint8Array): boolean {
  if (name[0] !== HASH || name.length < 2 || name.length > 21) return false;
  const digits = Buffer.from(name.subarray(1)).toString("latin1");
  return /^\d+$/.test(digits) && numbers.subarray(0, SLOTS).includes(BigInt(digits));
}
