// Random names in Node, from the kernel at the moment of use: clones of a machine draw different ones. Node's own
// functions draw from a cache that clones share, and load 8 ms of code.

import { closeSync, openSync, readSync } from "node:fs";
import { hexId, ID_BYTES, randomId } from "../random-id.ts";

export function nodeRandomId(): string {
  let fd: number;
  try {
    fd = openSync("/dev/urandom", "r");
  } catch {
    // A root without devices.
    return randomId();
  }
  try {
    const bytes = new Uint8Array(ID_BYTES);
    // The kernel answers up to 256 bytes in one read.
    return readSync(fd, bytes) === ID_BYTES ? hexId(bytes) : randomId();
  } finally {
    closeSync(fd);
  }
}
