// stdin, stdout and stderr of the command. The readers of stdout and stderr may stop reading or exit (`holdfast serve |
// head -1`, a closed terminal, a full disk). None of this may end the agent, make it spin, block it or make it grow.

import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { oneLine } from "../text.ts";

/** The terminals whose mode Node restores when it ends. */
const terminals = [0, 1, 2].filter((fd) => isatty(fd));

/**
 * Gives stdout and stderr open file descriptions of their own, if they are pipes. Node makes
 * pipes non-blocking, which is a property of the description and so of every program that shares it:
 * neighbours in a pipeline would get EAGAIN and lose data. libuv does the same for terminals. Call it
 * before anything touches process.stdout or stderr.
 */
export function ownStandardStreams(): void {
  ownDescription(1, constants.O_WRONLY);
  ownDescription(2, constants.O_WRONLY);
}

/** The same for stdin. Call it before anything touches process.stdin, and only if it is to be read. */
export function ownStandardInput(): void {
  ownDescription(0, constants.O_RDONLY);
}

/**
 * stdout and stderr if they are sockets (of a service manager, of a program in Node) and were blocking: Node makes them
 * non-blocking, and no description of its own can be opened.
 */
export const blockingSockets = (): readonly number[] => [...blocking];

const blocking = new Set<number>();

/** stdout and stderr if they are terminals with a description of their own. */
const ownTerminals = new Set<number>();

/**
 * Node writes to a terminal synchronously. One that takes no output (Ctrl-S, a dead ssh connection) would block the whole
 * agent, so from now on the lines wait in this program. Only where no other program shares the description.
 */
export function neverWaitForTerminals(): void {
  for (const stream of [process.stdout, process.stderr]) {
    if (!ownTerminals.has(stream.fd)) continue;
    const { setBlocking } = handleOf(stream);
    if (typeof setBlocking === "function") Reflect.apply(setBlocking, handleOf(stream), [false]);
  }
}

/** libuv's. Node has no other way to it. */
function handleOf(stream: NodeJS.WriteStream): { readonly setBlocking?: unknown } {
  return Object(Reflect.get(stream, "_handle"));
}

function ownDescription(fd: number, access: number): void {
  try {
    const stats = fstatSync(fd);
    if (stats.isFIFO()) replaceDescription(fd, access | constants.O_NONBLOCK);
    else if (stats.isSocket() && (flagsOf(fd) & constants.O_NONBLOCK) === 0) blocking.add(fd);
    else if (terminals.includes(fd)) {
      replaceDescription(fd, constants.O_RDWR | constants.O_NOCTTY);
      ownTerminals.add(fd);
    }
  } catch {
    // ENXIO: it has no reader. EACCES: it belongs to another user. It stays shared.
  }
}

/** As fcntl(2) gives them. */
function flagsOf(fd: number): number {
  const [, flags = "0"] = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")) ?? [];
  return Number.parseInt(flags, 8);
}

function replaceDescription(fd: number, flags: number): void {
  const copy = openSync(`/proc/self/fd/${fd}`, flags);
  closeSync(fd);
  try {
    // Takes the lowest free number, which is `fd`: Node opens 0 to 2 at its start.
    openSync(`/proc/self/fd/${copy}`, flags);
  } catch {
    // ENXIO: its reader has gone since. Another file with this number would be taken for it.
    openSync("/dev/null", "r+");
  }
  closeSync(copy);
}

/**
 * From now on, a failed write to stdout or stderr only loses a line. Node ignores SIGPIPE and emits EPIPE as an "error"
 * event, which ends the process unless there is a listener. Node revives these two streams after each error, so the next
 * write is one more try (a full disk may have room again), never a loop.
 */
export function outliveReaders(): void {
  process.stdout.on("error", lineLost);
  process.stderr.on("error", lineLost);
}

function lineLost(): void {
  // There is no other place to report it.
}

/** Closes stdin, so that its writer gets SIGPIPE. libuv alone would keep descriptor 0 open. */
export function closeStdin(): void {
  process.stdin.destroy();
  if (process.stdin.isTTY === true) return;
  closeSync(0);
  // Takes the free descriptor 0: another file with this number would be used as stdin.
  openSync("/dev/null", "r");
}

/** One line for the person who typed the command. */
export function printError(message: string): void {
  process.stderr.write(`holdfast: ${oneLine(message)}\n`);
}

/** Enough for a reader that reads, and short for an operator who waits. */
const FLUSH_MS = 250;

/** Ends the process with `exitCode` once both streams are written, at most FLUSH_MS later. */
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
 * When Node ends and cannot restore the mode of a terminal that is gone, it aborts with a core dump (20.20: close the
 * window of `node -e 'process.on("SIGHUP", () => process.exit())'`). Ending by SIGHUP avoids this.
 */
function dieOfHangUp(): void {
  process.removeAllListeners("SIGHUP");
  process.kill(process.pid, "SIGHUP");
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write("", () => resolve()));
}
