// Event-driven streams over descriptors that this agent opened. A stream owns its descriptor and
// closes it when the stream is closed.

import { Socket, type SocketConstructorOpts } from "node:net";
import { type Fd, openPolled } from "../../linux/index.ts";

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
 * (measured: no turn of the event loop in the 0.8 s until the program continued to read).
 */
export function openPtyStream(fd: Fd, onread: OnRead): Socket {
  return openPolled(fd, { readable: true, writable: true, onread } as SocketConstructorOpts).pause();
}
