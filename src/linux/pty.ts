// Pseudo-terminals through node-pty's native part: `open` makes a master and a slave, `resize` sets
// the window size. node-pty's own spawn is not used: it starts children its own way and loses the
// tail of their output.

import { HoldfastError } from "../errors.ts";
import { closeAll, type Fd, setCloseOnExec } from "./libc.ts";
import { loadNativePty, type NativePty } from "./native-pty.ts";

export interface PtySize {
  /** 1 to 65,535 each. */
  readonly cols: number;
  readonly rows: number;
}

export interface Pty {
  readonly master: Fd;
  /**
   * Keeps the terminal alive until the process is reaped. Without it the master reports a hang-up
   * before the child has opened `path`, when a program closes its terminal before it exits (cat),
   * and when a program opens it again later as /dev/tty (ssh, to ask for a password). Closing the
   * master on such a hang-up would send SIGHUP to the process.
   */
  readonly slave: Fd;
  readonly path: string;
}

/**
 * More output than the kernel ever holds for a pty. Measured on Linux 6.18: a writer blocks after
 * 13 to 22 kB, depending on the mode and the size of its writes. The kernel limits the buffer of a
 * pty to 8 KiB and one write, that of a line discipline to 4 KiB.
 */
export const PTY_CAPACITY_BYTES = 128 * 1024;

const MAX_SIZE = 65_535;

let native: NativePty | undefined;

/** Loaded at the first terminal, so that an agent that only uses pipes does not need it. */
function loadNative(): NativePty {
  native ??= loadNativePty();
  return native;
}

/** Throws `invalid_argument` unless both are whole numbers from 1 to 65,535. */
export function checkPtySize(size: PtySize): void {
  for (const [name, value] of Object.entries(size))
    if (!Number.isInteger(value) || value < 1 || value > MAX_SIZE)
      throw new HoldfastError("invalid_argument", `pty size: ${name} is ${value}, must be 1 to ${MAX_SIZE}`);
}

/** The caller closes both descriptors. */
export function openPty(size: PtySize): Pty {
  const pty = openNative(size);
  const master = pty.master as Fd;
  const slave = pty.slave as Fd;
  try {
    // node-pty does not set close-on-exec: every later child would keep this terminal open.
    setCloseOnExec(master);
    setCloseOnExec(slave);
    return { master, slave, path: pty.pty };
  } catch (error) {
    closeAll([master, slave]);
    throw error;
  }
}

/** `fd` is any descriptor of the master or the slave. */
export function resizePty(fd: Fd, size: PtySize): void {
  loadNative().resize(fd, size.cols, size.rows);
}

function openNative(size: PtySize): { master: number; slave: number; pty: string } {
  const pty = loadNative();
  try {
    return pty.open(size.cols, size.rows);
  } catch (error) {
    // node-pty only says "openpty(3) failed." The size was checked, so the machine has no free pty
    // or descriptor.
    throw new HoldfastError("resource_exhausted", "cannot open a pty: out of ptys or descriptors", {
      cause: error,
    });
  }
}
