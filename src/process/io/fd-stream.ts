// Event-driven streams over descriptors that this agent opened. A stream owns its descriptor and
// closes it when the stream is closed.

import { Socket, type SocketConstructorOpts } from "node:net";
import { HoldfastError } from "../../errors.ts";
import { closeAll, type Fd, openPipe } from "../../linux/index.ts";

/**
 * Node's contract: `callback` gets the bytes in the latest buffer of `buffer()`; returning false
 * stops the reading.
 */
export interface OnRead {
  readonly buffer: () => Buffer;
  readonly callback: (bytes: number, buffer: Uint8Array) => boolean;
}

/** The read end of a pipe. Reads nothing before `resume()`. */
export function openPipeReader(fd: Fd, onread: OnRead): Socket {
  // @types/node does not declare `buffer` as a function under this name.
  const options = { fd, readable: true, writable: false, onread } as SocketConstructorOpts;
  return new Socket(options).pause();
}

/** The write end of a pipe. */
export function openPipeWriter(fd: Fd): Socket {
  return new Socket({ fd, readable: false, writable: true });
}

/**
 * The master of a pty, for both directions. Reads nothing before `resume()`.
 *
 * Not tty.ReadStream: libuv makes a pty's master blocking and then spins until the terminal has
 * room, so one client that pastes 100 kB into a program that does not read stops the whole agent
 * (measured: no turn of the event loop in the 0.8 s until the program continued to read). Not `new
 * Socket({fd})`: it refuses terminals. A pipe handle accepts any descriptor and polls it. Node
 * exposes the class only through an instance.
 */
export function openPtyStream(fd: Fd, onread: OnRead): Socket {
  const handle = new (pipeHandleClass())(0);
  const errno = handle.open(fd);
  if (errno !== 0) throw new HoldfastError("internal", `cannot watch the pty: error ${errno}`);
  const options = { handle, readable: true, writable: true, onread } as SocketConstructorOpts;
  return new Socket(options).pause();
}

interface PipeHandle {
  open(fd: number): number;
}
type PipeHandleClass = new (type: number) => PipeHandle;

let pipeHandle: PipeHandleClass | undefined;

/**
 * Does the one-time part of `openPtyStream`, which fails if there are no free descriptors. Call it
 * before the child is started, while a failure can still be reported.
 */
export function preparePtyStreams(): void {
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
