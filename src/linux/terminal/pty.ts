// Pseudo-terminals: `open` makes a master and a slave, `resize` sets the window size. Through
// node-pty's native part where it is built, otherwise through libc; terminals behave the same.
// node-pty's own spawn is not used: it starts children its own way and loses the tail of their
// output.

import { HoldfastError } from "../../errors.ts";
import { closeAll, type Fd, setCloseOnExec } from "../libc.ts";
import { libcPty } from "./libc-pty.ts";
import { loadNativePty, type NativePty } from "./native-pty.ts";
import { eraseCharacters } from "./terminal-mode.ts";

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

/** For tests: `node-pty` or `libc`, to use that one and no other. */
const CHOICE_VARIABLE = "HOLDFAST_PTY";

let native: NativePty | undefined;

/** Chosen at the first terminal, so that an agent that only uses pipes does not load node-pty. */
function loadNative(): NativePty {
  native ??= choosePty(process.env[CHOICE_VARIABLE]);
  return native;
}

/** Throws `failed_precondition` if the wanted one is not there. */
export function choosePty(wanted: string | undefined, loadNodePty = loadNativePty): NativePty {
  if (wanted === "libc") return libcPty;
  if (wanted !== undefined && wanted !== "" && wanted !== "node-pty")
    throw new HoldfastError(
      "failed_precondition",
      `${CHOICE_VARIABLE} is "${wanted}", must be node-pty or libc`,
    );
  try {
    return loadNodePty();
  } catch (cause) {
    if (wanted !== "node-pty") return libcPty;
    const message = `${CHOICE_VARIABLE} is node-pty, which is not built: run \`npm rebuild node-pty\` or unset it`;
    throw new HoldfastError("failed_precondition", message, { cause });
  }
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
    eraseCharacters(slave);
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
    if (pty === libcPty) throw error;
    // node-pty only says "openpty(3) failed.". The second try fails with the reason, or works.
    return libcPty.open(size.cols, size.rows);
  }
}
