// Event-driven streams over descriptors this agent opened itself. A stream owns its descriptor from here on and
// closes it with itself.

import { Socket, type SocketConstructorOpts } from "node:net";
import { HoldfastError } from "../../errors.ts";
import { closeAll, type Fd, openPipe } from "../../linux/index.ts";

/** As Node has it: `callback` gets the bytes in `buffer()`'s latest buffer; returning false stops the reading. */
export interface OnRead {
  readonly buffer: () => Buffer;
  readonly callback: (bytes: number, buffer: Uint8Array) => boolean;
}

/** The read end of a pipe. Reads nothing before `resume()`. */
export function openPipeReader(fd: Fd, onread: OnRead): Socket {
  // @types/node knows `buffer` as a function only under a name of its own.
  const options = { fd, readable: true, writable: false, onread } as SocketConstructorOpts;
  return new Socket(options).pause();
}

/** The write end of a pipe. */
export function openPipeWriter(fd: Fd): Socket {
  return new Socket({ fd, readable: false, writable: true });
}

/**
 * The master of a pty, both ways. Reads nothing before `resume()`.
 *
 * Not tty.ReadStream: libuv marks a pty's master as blocking and then spins until the terminal has room, so one
 * client that pastes 100 kB into a program that does not read stops the whole agent (measured: no turn of the event
 * loop in the 0.8 s until the program read on). Nor `new Socket({fd})`, which refuses terminals. A pipe handle
 * takes any descriptor, and polls. Node hands its class out only by an instance.
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
 * Does what `openPtyStream` needs done once and that may fail for want of descriptors: to be called where a failure
 * can still be reported, before the child is started.
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
