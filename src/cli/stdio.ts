// stdin, stdout and stderr of the command. The readers of the latter two may stop reading or go away (`holdfast serve |
// head -1`, a closed terminal, a full disk): neither may end the agent, spin it, stall it or make it grow.
import { closeSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { oneLine } from "../text.ts";

/** As Node found them at its start: what it puts back at its end. */
const terminals = [0, 1, 2].filter((fd) => isatty(fd));

/**
 * Makes a failed write to stdout or stderr mean a lost line. Node ignores SIGPIPE and reports EPIPE as an "error" event,
 * which ends the process unless somebody listens; it revives these two streams after each error, so that the next
 * write is one more try (a full disk may have room again), never a loop.
 */
export function outliveReaders(): void {
  process.stdout.on("error", lineLost);
  process.stderr.on("error", lineLost);
}

function lineLost(): void {
  // There is no third place to say it.
}

/** Reads no more of stdin, so that whoever writes to it gets SIGPIPE. libuv alone would keep descriptor 0 open. */
export function closeStdin(): void {
  process.stdin.destroy();
  if (process.stdin.isTTY === true) return;
  closeSync(0);
  // The lowest free number: a descriptor 0 that some later file got would be taken for stdin.
  openSync("/dev/null", "r");
}

/** One line for the person who typed the command. */
export function printError(message: string): void {
  process.stderr.write(`holdfast: ${oneLine(message)}\n`);
}

/** Long enough for a reader that reads, short for an operator who waits. */
const FLUSH_MS = 250;

/** Ends the process with `exitCode` once both streams are written out, or cannot be within FLUSH_MS. */
export async function endAfterFlush(exitCode: number): Promise<never> {
  await Promise.race([
    Promise.all([flushed(process.stdout), flushed(process.stderr)]),
    new Promise((resolve) => setTimeout(resolve, FLUSH_MS)),
  ]);
  if (terminals.some(isHungUp)) dieOfHangUp();
  process.exit(exitCode);
}

function isHungUp(fd: number): boolean {
  try {
    writeSync(fd, "");
    return false;
  } catch (error) {
    return error instanceof Error && Reflect.get(error, "code") === "EIO";
  }
}

/**
 * Node aborts, with a core dump, when it ends and cannot put back the mode of a terminal that is gone (20.20: close the
 * window of `node -e 'process.on("SIGHUP", () => process.exit())'`). The signal that says so ends it without that.
 */
function dieOfHangUp(): void {
  process.removeAllListeners("SIGHUP");
  process.kill(process.pid, "SIGHUP");
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write("", () => resolve()));
}
