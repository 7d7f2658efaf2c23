// Pseudo-terminals through libc, for a machine on which node-pty's addon is not built. Not openpty:
// glibc before 2.34 has it in another library (libutil), and it reports no reason. Both descriptors
// are close-on-exec from the moment they exist, and the master is non-blocking, as libuv needs it.

import { closeSync, constants, openSync } from "node:fs";
import koffi from "koffi";
import { HoldfastError } from "../../errors.ts";
import { fromNodeError, systemError } from "../errno.ts";
import { closeAll, type Fd, libc } from "../libc.ts";
import type { NativePty } from "./native-pty.ts";

const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
const O_CLOEXEC = 0o2000000;
const TIOCSWINSZ = 0x5414;
/** `/dev/pts/` and a number of at most ten digits. */
const PATH_BYTES = 64;

const posixOpenpt = libc.func("int posix_openpt(int flags)");
const grantpt = libc.func("int grantpt(int master)");
const unlockpt = libc.func("int unlockpt(int master)");
const ptsname = libc.func("int ptsname_r(int master, _Out_ uint8_t *path, size_t bytes)");
const setWindowSize = libc.func("int ioctl(int fd, unsigned long request, const uint16_t *size)");

export const libcPty: NativePty = { open, resize };

/** Throws `resource_exhausted` without a free pty or descriptor, with the reason. */
function open(cols: number, rows: number): ReturnType<NativePty["open"]> {
  const master: number = posixOpenpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (master < 0) throw openError(systemError("open a pty", koffi.errno()));
  let slave: number | undefined;
  try {
    if (grantpt(master) !== 0 || unlockpt(master) !== 0) throw systemError("unlock a pty", koffi.errno());
    const pty = pathOf(master);
    slave = openSlave(pty);
    resize(slave, cols, rows);
    return { master, slave, pty };
  } catch (error) {
    closeAll([slave as Fd | undefined]);
    closeSync(master);
    throw error;
  }
}

/** `fd` is any descriptor of the master or the slave. */
function resize(fd: number, cols: number, rows: number): void {
  // struct winsize, without its size in pixels.
  if (setWindowSize(fd, TIOCSWINSZ, [rows, cols, 0, 0]) !== 0)
    throw systemError("set the size of a terminal", koffi.errno());
}

function pathOf(master: number): string {
  const path = Buffer.alloc(PATH_BYTES);
  const errno: number = ptsname(master, path, PATH_BYTES);
  if (errno !== 0) throw systemError("find the name of a pty", errno);
  return path.subarray(0, path.indexOf(0)).toString();
}

function openSlave(path: string): number {
  try {
    return openSync(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  } catch (error) {
    throw openError(fromNodeError(`open ${path}`, error));
  }
}

/** Nothing that a client sent is at fault: /dev/ptmx or /dev/pts is missing or may not be opened. */
function openError(cause: HoldfastError): HoldfastError {
  if (cause.code === "resource_exhausted") return cause;
  const message = `${cause.message}; terminals need a devpts file system at /dev/pts`;
  return new HoldfastError("failed_precondition", message, { cause });
}
