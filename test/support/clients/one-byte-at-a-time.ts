// Bytes that reach the agent one by one: each is sent after the agent has read the one before, so
// no read returns two of them.

import { once } from "node:events";
import type { Socket } from "node:net";
import { tcpQueues } from "../proc/proc-activity.ts";

const DEADLINE_MS = 10_000;

/**
 * Resolves when the agent has read the last of `bytes`. Rejects at the deadline with the bytes that
 * it has not read.
 */
export async function sendOneByOne(socket: Socket, bytes: Uint8Array): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (let at = 0; at < bytes.length; at++) {
    if (!socket.write(bytes.subarray(at, at + 1))) await once(socket, "drain");
    while (unread(socket) > 0) {
      if (performance.now() > deadline)
        throw new Error(
          `${unread(socket)} bytes unread; sent so far: ${Buffer.from(bytes.subarray(0, at + 1))}`,
        );
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Bytes on the way to the agent, or waiting in its kernel. */
function unread({ localPort = 0, remotePort = 0, writableLength }: Socket): number {
  const ours = tcpQueues(localPort, remotePort);
  const theirs = tcpQueues(remotePort, localPort);
  return writableLength + ours.sent + theirs.received;
}
