// The program that this process is, and the moment in which it becomes another one. Children, descriptors, pid,
// cgroup and limits stay; threads, handles of libuv and everything in memory go. Node makes 0, 1 and 2 close-on-exec:
// without clearing that, the next image would be mute.

import { constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { constants as osConstants, tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { keepCapabilities, passCapabilitiesOn } from "./capabilities.ts";
import { systemError } from "./errno.ts";
import { keptSignals } from "./ignored-signals.ts";
import { type Fd, keepAcrossExec, libc, setCloseOnExec } from "./libc.ts";

/** A program to become. */
export interface Image {
  /** Absolute; no look-up. */
  readonly path: string;
  readonly argv: readonly string[];
  /** Each `NAME=value`. */
  readonly environment: readonly string[];
}

const MFD_CLOEXEC = 1;
const DEFAULT_ACTION = 0;
const IGNORE = 1;
const { SIGPIPE, SIGTERM, SIGINT, SIGQUIT, SIGHUP } = osConstants.signals;
const STOP_SIGNALS = [SIGTERM, SIGINT, SIGQUIT, SIGHUP];

const memfdCreate = libc.func("int memfd_create(const char *name, unsigned int flags)");
const setAction = libc.func("intptr_t signal(int signal, intptr_t action)");
const execve = libc.func("int execve(const char *path, const char **argv, const char **envp)");

/**
 * This process becomes `image`, with `kept` and its standard streams open. Returns only by throwing why it cannot;
 * then everything is as before.
 */
export function becomeImage(image: Image, kept: readonly Fd[]): never {
  const all = [0 as Fd, 1 as Fd, 2 as Fd, ...kept];
  try {
    for (const fd of all) keepAcrossExec(fd);
    passCapabilitiesOn();
    // Ignored by Node: the next image would take it for a signal that it has to keep ignored, for commands also.
    if (!keptSignals().has(SIGPIPE)) setAction(SIGPIPE, DEFAULT_ACTION);
    execve(image.path, [...image.argv, null], [...image.environment, null]);
    throw systemError(`execute ${image.path}`, koffi.errno());
  } catch (error) {
    setAction(SIGPIPE, IGNORE);
    for (const fd of all) setCloseOnExec(fd);
    keepCapabilities();
    throw error;
  }
}

/**
 * From now on a signal to stop ends this program at once. libuv only writes it into a pipe, which
 * is not read after an exec: the signal would be lost. Returns the function that restores what was.
 */
export function endByStopSignals(): () => void {
  const before = STOP_SIGNALS.filter((signal) => !keptSignals().has(signal)).map(
    (signal) => [signal, setAction(signal, DEFAULT_ACTION)] as const,
  );
  return () => {
    for (const [signal, action] of before) setAction(signal, action);
  };
}

/** A file without a name, in memory where the kernel can. Close-on-exec; the caller closes it. */
export function openUnnamedFile(name: string): Fd {
  const fd: number = memfdCreate(name, MFD_CLOEXEC);
  return fd >= 0 ? (fd as Fd) : openRemovedFile();
}

/** ENOSYS: an emulator without memfd_create. */
function openRemovedFile(): Fd {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    const { O_RDWR, O_CREAT, O_EXCL } = constants;
    return openSync(join(folder, "state"), O_RDWR | O_CREAT | O_EXCL, 0o600) as Fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The file of this program, even if it was replaced or removed since. The caller closes it. */
export function openOwnExecutable(): Fd {
  return openSync("/proc/self/exe", "r") as Fd;
}
