// Whether a program that writes to a pipe or a terminal would wait now, because nothing reads the other
// end. The agent has the reading end only, so the other end is opened for a moment.

import { closeSync, constants, openSync } from "node:fs";
import { bytesReadable, type Fd, libc } from "./libc.ts";

const POLLOUT = 4;
/** Opens the slave of the terminal whose master is given, without its path. */
const TIOCGPTPEER = 0x5441;
const { O_WRONLY, O_RDWR, O_NONBLOCK, O_NOCTTY } = constants;
const O_CLOEXEC = 0o2000000;

const poll = libc.func("int poll(void *fds, unsigned long count, int timeoutMs)");
const ioctl = libc.func("int ioctl(int fd, unsigned long request, int flags)");

/** `fd` is the reading end of a pipe or the master of a terminal. False when the other end cannot be opened. */
export function wouldWriterWait(fd: Fd): boolean {
  // Writers wait for a reader only if something waits to be read. (A terminal that was stopped by Ctrl-S makes them wait also.)
  // A list asks for each detached process: this call takes a tenth of the others.
  if (isEmpty(fd)) return false;
  const other = openOtherEnd(fd);
  if (other === undefined) return false;
  try {
    return !isWritable(other);
  } finally {
    closeSync(other);
  }
}

function isEmpty(fd: Fd): boolean {
  try {
    return bytesReadable(fd) === 0;
  } catch {
    // Unknown: the other end may tell.
    return false;
  }
}

function openOtherEnd(fd: Fd): number | undefined {
  const slave: number = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (slave >= 0) return slave;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK);
  } catch {
    // Without /proc, or when the pipe belongs to another user, its state is unknown.
    return undefined;
  }
}

/** struct pollfd: the descriptor, the events asked for, the events found. */
const pollfd = Buffer.alloc(8);

function isWritable(fd: number): boolean {
  pollfd.writeInt32LE(fd, 0);
  pollfd.writeInt16LE(POLLOUT, 4);
  pollfd.writeInt16LE(0, 6);
  const found: number = poll(pollfd, 1, 0);
  return found > 0 && (pollfd.readInt16LE(6) & POLLOUT) !== 0;
}
