// The terminal in raw mode: every key goes to the process, and what it writes is not changed. By termios and not by
// Node's setRawMode, which leaves ONLCR on: programs that move the cursor down with a bare line feed (vim) would draw
// a staircase.
import koffi from "koffi";

const TCSANOW = 0;
/** struct termios has 60 bytes on Linux; room to spare does no harm. */
const TERMIOS_BYTES = 256;

const libc = koffi.load(null);
const tcgetattr = libc.func("int tcgetattr(int fd, void *termios)");
const tcsetattr = libc.func("int tcsetattr(int fd, int actions, const void *termios)");
const cfmakeraw = libc.func("void cfmakeraw(void *termios)");

export interface RawMode {
  /** Once more: a shell that stopped and continued this process has set its own mode meanwhile. */
  enterAgain(): void;
  /** Puts the terminal back as it was. Repeatable. */
  leave(): void;
}

/**
 * `fd` is a terminal. Also left when the process ends, crashed or not; but for SIGKILL, of which nobody is told. Node
 * does that, too, at its very end, with the mode that it found at its start.
 */
export function enterRawMode(fd: number): RawMode {
  const before = Buffer.alloc(TERMIOS_BYTES);
  if (tcgetattr(fd, before) !== 0) throw new Error(`descriptor ${fd} has no terminal mode`);
  const raw = Buffer.from(before);
  cfmakeraw(raw);

  const enterAgain = (): void => void tcsetattr(fd, TCSANOW, raw);
  const leave = (): void => {
    process.off("exit", leave);
    tcsetattr(fd, TCSANOW, before);
  };
  process.on("exit", leave);
  enterAgain();
  return { enterAgain, leave };
}
