// Streams over descriptors that `new Socket({fd})` refuses: terminals and inotify. A pipe handle of
// libuv accepts any descriptor and polls it. Node exposes the class only through an instance.

import { Socket, type SocketConstructorOpts } from "node:net";
import { HoldfastError } from "../errors.ts";
import { closeAll, type Fd, openPipe } from "./libc.ts";

/** The socket owns `fd` and closes it. It makes the descriptor non-blocking. */
export function openPolled(fd: Fd, options: SocketConstructorOpts): Socket {
  const handle = new (pipeHandleClass())(0);
  const errno = handle.open(fd);
  if (errno !== 0) throw new HoldfastError("internal", `cannot watch descriptor ${fd}: error ${errno}`);
  return new Socket({ ...options, handle } as SocketConstructorOpts);
}

interface PipeHandle {
  open(fd: number): number;
}
type PipeHandleClass = new (type: number) => PipeHandle;

let pipeHandle: PipeHandleClass | undefined;

/**
 * Does the one-time part of `openPolled`, which fails if there are no free descriptors. Call it
 * before a child is started, while a failure can still be reported.
 */
export function preparePolled(): void {
  pipeHandleClass();
}

function pipeHandleClass(): PipeHandleClass {
  if (pipeHandle !== undefined) return pipeHandle;
  const { read, write } = openPipe();
  closeAll([write]);
  const socket = new Socket({ fd: read, readable: true, writable: false });
  const handle = Reflect.get(socket, "_handle") as { constructor: PipeHandleClass };
  pipeHandle = handle.constructor;
  socket.destroy();
  return pipeHandle;
}
