// The modes of a terminal (termios). In raw mode, every key goes to the process, and its output is not
// changed. Node's setRawMode leaves ONLCR on: programs that move the cursor down with a bare line feed
// (vim) would draw a staircase.

import koffi from "koffi";

const TCSANOW = 0;
/** Enough: struct termios has 60 bytes on Linux. */
const TERMIOS_BYTES = 256;

/** At the start of struct termios, in the byte order of this machine. */
const INPUT_FLAGS_AT = 0;
const IUTF8 = 0o040000;

const libc = koffi.load(null);
const tcgetattr = libc.func("int tcgetattr(int fd, void *termios)");
const tcsetattr = libc.func("int tcsetattr(int fd, int actions, const void *termios)");
const cfmakeraw = libc.func("void cfmakeraw(void *termios)");

export interface RawMode {
  /**
   * Enters raw mode again: after `leave`, or after a shell stopped and continued this process and set
   * its own mode.
   */
  enterAgain(): void;
  /** Restores the previous mode. A second call does the same again. */
  leave(): void;
}

/**
 * `fd` is a terminal. The mode is also restored when this program ends or crashes, but not after
 * SIGKILL. Node itself restores the mode of its start at its end.
 */
export function enterRawMode(fd: number): RawMode {
  const before = Buffer.alloc(TERMIOS_BYTES);
  if (tcgetattr(fd, before) !== 0) throw new Error(`descriptor ${fd} has no terminal mode`);
  const raw = Buffer.from(before);
  cfmakeraw(raw);

  const enterAgain = (): void => {
    process.off("exit", leave).on("exit", leave);
    tcsetattr(fd, TCSANOW, raw);
  };
  const leave = (): void => {
    process.off("exit", leave);
    tcsetattr(fd, TCSANOW, before);
  };
  enterAgain();
  return { enterAgain, leave };
}

/**
 * Backspace erases a whole character of UTF-8 in the lines that the kernel edits (`cat`, `read`), not
 * its last byte. `fd` is a terminal.
 */
export function eraseCharacters(fd: number): void {
  const mode = Buffer.alloc(TERMIOS_BYTES);
  if (tcgetattr(fd, mode) !== 0) return;
  const flags = new Uint32Array(mode.buffer, mode.byteOffset + INPUT_FLAGS_AT, 1);
  flags[0] = (flags[0] ?? 0) | IUTF8;
  tcsetattr(fd, TCSANOW, mode);
}
