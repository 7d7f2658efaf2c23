// Content of a file into a socket without a copy in this process.

import type { Socket } from "node:net";
import { duplicate, type Fd, libc } from "../libc.ts";
import { descriptorOf } from "../sockets.ts";

const sendfile = libc.func("long sendfile(int to, int from, _Inout_ int64_t *offset, size_t bytes)");
const shutdown = libc.func("int shutdown(int socket, int how)");
const SHUT_RDWR = 2;

/** A second descriptor of `socket`, close-on-exec; the caller closes it. Undefined for a closed one. */
export function duplicateSocket(socket: Socket): Fd | undefined {
  const fd = descriptorOf(socket);
  return fd === undefined ? undefined : duplicate(fd as Fd);
}

/** Ends the connection in both directions. Other descriptors of it do not keep it open. */
export function endConnection(socket: Fd): void {
  shutdown(socket, SHUT_RDWR);
}

/**
 * Sends at most `bytes` of the file `from`, from `offset` on, on a thread of libuv's pool. Resolves with what the socket
 * took: 0 or less if it has no room, at the end of the file, and after an error, which the next read or write reports.
 */
export function sendFile(to: Fd, from: number, offset: number, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    sendfile.async(to, from, [offset], bytes, (error: Error | null, sent: number | bigint) =>
      error === null ? resolve(Number(sent)) : reject(error),
    );
  });
}
