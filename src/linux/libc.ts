// System calls on descriptors and children for which Node has no function, through koffi (1 µs a
// call). A failed call throws a HoldfastError, so callers need not check return values. The
// constants are those of Linux on x64 and arm64, the same for glibc and musl.

import { closeSync, constants as fsConstants, readdirSync } from "node:fs";
import { constants } from "node:os";
import koffi from "koffi";
import { systemError } from "./errno.ts";

/**
 * An open descriptor of this agent. Each place that keeps one documents its owner, which closes it.
 */
export type Fd = number & { readonly __brand: "Fd" };
/** The pid of a child that was started here. */
export type Pid = number & { readonly __brand: "Pid" };

const O_CLOEXEC = 0o2000000;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;
export const FIONREAD = 0x541b;
const WNOHANG = 1;
const PR_SET_CHILD_SUBREAPER = 36;

/** The C library of this program: glibc or musl. */
export const libc = koffi.load(null);

/** A function that not every C library has; undefined if this one does not have it. */
export function optionalFunction(declaration: string): ReturnType<typeof libc.func> | undefined {
  try {
    return libc.func(declaration);
  } catch {
    // koffi: the symbol is not found.
    return undefined;
  }
}

const pipe2 = libc.func("int pipe2(_Out_ int *fds, int flags)");
const fcntl = libc.func("int fcntl(int fd, int command, int argument)");
// A buffer that is there takes koffi a quarter of the time of an `_Out_` value.
const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *value)");
const answer = Buffer.alloc(4);
const read = libc.func("long read(int fd, void *buffer, size_t count)");
const waitpid = libc.func("int waitpid(int pid, _Out_ int *status, int options)");
export const prctl = libc.func(
  "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
);

/** `entries`: one struct pollfd for each of `count` descriptors. */
export const poll = libc.func("int poll(void *entries, unsigned long count, int timeoutMs)");

const exitNow = libc.func("void _exit(int code)");
let doesWaitForThreads = true;

/**
 * From now on the end of this program waits for no thread: neither for those of libuv's pool, one of which may hang in a
 * call that never returns, nor for those of V8. Node itself joins them all, after everything else, and a thread of V8 that
 * compiles can then wait for a garbage collection of the thread that joins it (nodejs/node#54918).
 * Node would also make these descriptors blocking again: `blocking` were so when the program began, and others may share
 * them.
 */
export function endWithoutThreads(blocking: readonly number[] = []): void {
  for (const fd of blocking) blockingAtEnd.add(fd);
  if (doesWaitForThreads) process.once("exit", endNow);
  doesWaitForThreads = false;
}

const blockingAtEnd = new Set<number>();

function endNow(code: number): void {
  for (const fd of blockingAtEnd) {
    const flags: number = fcntl(fd, F_GETFL, 0);
    if (flags >= 0) fcntl(fd, F_SETFL, flags & ~fsConstants.O_NONBLOCK);
  }
  exitNow(code);
}

export interface PipeEnds {
  readonly read: Fd;
  readonly write: Fd;
}

/** A real pipe, close-on-exec. The caller closes both ends. */
export function openPipe(): PipeEnds {
  const fds: [number, number] = [-1, -1];
  if (pipe2(fds, O_CLOEXEC) !== 0) throw systemError("open a pipe", koffi.errno());
  return { read: fds[0] as Fd, write: fds[1] as Fd };
}

/** Another descriptor for the same open file, close-on-exec. The caller closes it. */
export function duplicate(fd: Fd): Fd {
  return duplicateFrom(fd, 3);
}

/** The same, with a number of at least `lowest`. */
export function duplicateFrom(fd: Fd, lowest: number): Fd {
  const copy: number = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
  if (copy < 0) throw systemError(`duplicate descriptor ${fd}`, koffi.errno());
  return copy as Fd;
}

export function setCloseOnExec(fd: Fd): void {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) !== 0) throw systemError(`set close-on-exec on ${fd}`, koffi.errno());
}

/** The opposite: `fd` stays open when this process executes another program. */
export function keepAcrossExec(fd: Fd): void {
  if (fcntl(fd, F_SETFD, 0) !== 0) throw systemError(`keep descriptor ${fd} open`, koffi.errno());
}

/**
 * Keeps inherited descriptors (of a shell or a supervisor) from every child. Once at the start is
 * enough: Node opens its own descriptors close-on-exec.
 */
export function setCloseOnExecEverywhere(): void {
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    // The descriptor that listed the folder is closed already: F_GETFD fails.
    if (fd > 2 && fcntl(fd, F_GETFD, 0) >= 0) setCloseOnExec(fd as Fd);
  }
}

/** For clean-up paths: closes all of `fds` and skips those that were never opened. */
export function closeAll(fds: Iterable<Fd | undefined>): void {
  for (const fd of fds) if (fd !== undefined) closeSync(fd);
}

/** The number that ioctl(2) answers to `request`; undefined, with errno set, if it refuses. */
export function ioctlNumber(fd: number, request: number): number | undefined {
  return ioctl(fd, request, answer) === 0 ? answer.readInt32LE() : undefined;
}

/** How many bytes a read of this pipe would return now. */
export function bytesReadable(fd: Fd): number {
  const bytes = ioctlNumber(fd, FIONREAD);
  if (bytes === undefined) throw systemError(`ask descriptor ${fd} for its bytes`, koffi.errno());
  return bytes;
}

/**
 * Reads from a non-blocking descriptor into `buffer` from `at` on, as much as is there now. Returns 0 for
 * nothing, the end and every error: the stream on the same file finds out which. Node's readSync would
 * throw, which costs more than a read.
 */
export function readAvailable(fd: Fd, buffer: Buffer, at: number): number {
  return Math.max(0, Number(read(fd, buffer.subarray(at), buffer.length - at)));
}

/** One ended child of this program, or undefined if none has ended. Never waits. */
export function reapOne(): { readonly pid: Pid; readonly status: number } | undefined {
  const status: [number] = [0];
  const pid: number = waitpid(-1, status, WNOHANG);
  // 0: all still run. -1: no children at all (ECHILD).
  return pid > 0 ? { pid: pid as Pid, status: status[0] } : undefined;
}

/**
 * Orphans below this agent become its children, so that they are reaped even if process 1 does not
 * reap. False where the kernel or an emulator does not know it (QEMU 7.2); they stay with process 1.
 */
export function adoptOrphans(): boolean {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0) return true;
  if (koffi.errno() === constants.errno.EINVAL) return false;
  throw systemError("adopt orphans", koffi.errno());
}
