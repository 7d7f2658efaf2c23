// How much the kernel accepts for a client that does not read.

import type { Socket } from "node:net";
import koffi from "koffi";

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const IPPROTO_TCP = 6;
const TCP_WINDOW_CLAMP = 10;
const BYTES = 8192;

const setsockopt = koffi
  .load(null)
  .func("int setsockopt(int fd, int level, int name, const int *value, unsigned int length)");

/**
 * From now on a few kilobytes at most, so that the peer notices at once how fast this end reads.
 */
export function keepReceiveBufferSmall(socket: Socket): void {
  const fd: unknown = Reflect.get(Reflect.get(socket, "_handle") as object, "fd");
  for (const [level, option] of [
    [SOL_SOCKET, SO_RCVBUF],
    [IPPROTO_TCP, TCP_WINDOW_CLAMP],
  ] as const) {
    const result = setsockopt(fd, level, option, [BYTES], 4);
    if (result !== 0) throw new Error(`option ${option}: errno ${koffi.errno()}`);
  }
}
