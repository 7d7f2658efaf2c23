// Starts a child through posix_spawn of libc. Node's own spawn forks, which blocks the event loop
// longer the more memory the agent holds (0.84 ms at 55 MB, 10.4 ms at 355 MB; posix_spawn 0.08 ms
// at either), and gives the child sockets as stdio, which cannot be opened as /dev/stderr.

import { constants } from "node:os";
import { HoldfastError } from "../../errors.ts";
import { systemError } from "../errno.ts";
import { keptSignals } from "../ignored-signals.ts";
import { type Fd, libc, optionalFunction, type Pid } from "../libc.ts";
import type { InheritedProperties } from "./inherited-properties.ts";

/**
 * Descriptors 0, 1 and 2 of the child; it has no others. The caller still owns and closes the
 * descriptors here.
 */
export type ChildStdio =
  | { readonly kind: "pipes"; readonly stdin: Fd | "null"; readonly stdout: Fd; readonly stderr: Fd }
  | { readonly kind: "pty"; readonly path: string };

export interface SpawnRequest {
  /** The absolute path of the file to execute; no look-up. */
  readonly path: string;
  /** Names the command in messages. */
  readonly name: string;
  /** `argv[0]` first. No string may contain NUL, which ends a string in C. */
  readonly argv: readonly string[];
  /** Each `NAME=value`. */
  readonly environment: readonly string[];
  /** Undefined: that of the agent. */
  readonly cwd: string | undefined;
  readonly stdio: ChildStdio;
  /** Becomes descriptor 3. The caller still owns and closes this one. */
  readonly report?: Fd;
}

const REPORT_FD = 3;
const O_RDONLY = 0;
const O_RDWR = 2;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
/**
 * Enough for each: posix_spawnattr_t has 336 bytes, posix_spawn_file_actions_t 80, sigset_t 128.
 */
const OPAQUE_BYTES = 512;

const attributesInit = libc.func("int posix_spawnattr_init(void *attributes)");
const attributesSetFlags = libc.func("int posix_spawnattr_setflags(void *attributes, short flags)");
const attributesSetDefault = libc.func("int posix_spawnattr_setsigdefault(void *attributes, void *set)");
const attributesSetMask = libc.func("int posix_spawnattr_setsigmask(void *attributes, void *set)");
const sigemptyset = libc.func("int sigemptyset(void *set)");
const actionsInit = libc.func("int posix_spawn_file_actions_init(void *actions)");
const actionsDestroy = libc.func("int posix_spawn_file_actions_destroy(void *actions)");
const addDup2 = libc.func("int posix_spawn_file_actions_adddup2(void *actions, int from, int to)");
const addOpen = libc.func(
  "int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)",
);
/** glibc has it from 2.29 on. */
const addChdir = optionalFunction(
  "int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)",
);
const posixSpawn = libc.func(
  "int posix_spawn(_Out_ int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)",
);

/** A terminal sends these for its keys: ignored, Ctrl-C would do nothing in any program on it. */
const keyboardSignals: ReadonlySet<number> = new Set(
  (["SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU"] as const).map((name) => constants.signals[name]),
);

/**
 * A new session, default signal actions (Node ignores SIGPIPE), an empty mask. Shared by all
 * starts. Made at the first one, when it is known which signals stay ignored.
 */
let attributes: Readonly<Record<ChildStdio["kind"], Buffer>> | undefined;

function attributesFor(kind: ChildStdio["kind"]): Buffer {
  attributes ??= {
    pipes: makeAttributes([...keptSignals()]),
    pty: makeAttributes([...keptSignals()].filter((signal) => !keyboardSignals.has(signal))),
  };
  return attributes[kind];
}

/**
 * Returns when the child has executed `path`. Throws `invalid_argument` for a file that cannot be
 * executed and `resource_exhausted` if the machine has no room. The child leads a session; a pty is
 * its controlling terminal.
 */
export function spawn(request: SpawnRequest, inherited: InheritedProperties): Pid {
  const result = trySpawn(request, inherited);
  if (result.kind === "failed") throw executeError(request.name, result.errno);
  return result.pid;
}

export type SpawnResult =
  | { readonly kind: "started"; readonly pid: Pid }
  | { readonly kind: "failed"; readonly errno: number };

/**
 * The same, with the reason for a command that was not executed as a result. With `cwd`, that is ENOSYS if the C library
 * cannot set it; the launcher then enters it.
 */
export function trySpawn(request: SpawnRequest, inherited: InheritedProperties): SpawnResult {
  if (request.cwd !== undefined && addChdir === undefined)
    return { kind: "failed", errno: constants.errno.ENOSYS };
  const actions = Buffer.alloc(OPAQUE_BYTES);
  check("prepare a child", actionsInit(actions));
  try {
    if (request.cwd !== undefined) check("prepare a child", addChdir?.(actions, request.cwd));
    addStdio(actions, request.stdio);
    // Last: 3 may be the number of a descriptor of stdio.
    if (request.report !== undefined) check("prepare a child", addDup2(actions, request.report, REPORT_FD));
    const pid: [number] = [0];
    const argv = [...request.argv, null];
    const environment = [...request.environment, null];
    // Only this call: with a lower limit on open files, actions on high descriptors would fail.
    let errno = -1;
    try {
      inherited.during(() => {
        errno = posixSpawn(pid, request.path, actions, attributesFor(request.stdio.kind), argv, environment);
      });
    } catch (error) {
      // The agent could not restore its own properties. The child has no owner: end it.
      if (errno === 0) process.kill(pid[0], constants.signals.SIGKILL);
      throw error;
    }
    return errno === 0 ? { kind: "started", pid: pid[0] as Pid } : { kind: "failed", errno };
  } finally {
    actionsDestroy(actions);
  }
}

function addStdio(actions: Buffer, stdio: ChildStdio): void {
  if (stdio.kind === "pty") {
    // The leader of a new session opens it, so it becomes the controlling terminal.
    check("prepare a child", addOpen(actions, 0, stdio.path, O_RDWR, 0));
    check("prepare a child", addDup2(actions, 0, 1));
    check("prepare a child", addDup2(actions, 0, 2));
    return;
  }
  if (stdio.stdin === "null") check("prepare a child", addOpen(actions, 0, "/dev/null", O_RDONLY, 0));
  else check("prepare a child", addDup2(actions, stdio.stdin, 0));
  check("prepare a child", addDup2(actions, stdio.stdout, 1));
  check("prepare a child", addDup2(actions, stdio.stderr, 2));
}

/** `ignored` are ignored by the agent and stay so. */
function makeAttributes(ignored: readonly number[]): Buffer {
  const buffer = Buffer.alloc(OPAQUE_BYTES);
  const all = Buffer.alloc(OPAQUE_BYTES);
  const none = Buffer.alloc(OPAQUE_BYTES);
  // Not by sigfillset: it leaves out 32 and 33, which libc uses itself and children would ignore.
  all.fill(0xff);
  for (const signal of ignored) {
    const byte = (signal - 1) >> 3;
    all.writeUInt8(all.readUInt8(byte) & ~(1 << ((signal - 1) & 7)), byte);
  }
  sigemptyset(none);
  check("prepare children", attributesInit(buffer));
  check("prepare children", attributesSetDefault(buffer, all));
  check("prepare children", attributesSetMask(buffer, none));
  check("prepare children", attributesSetFlags(buffer, SETSIGDEF | SETSIGMASK | SETSID));
  return buffer;
}

/** Why the command `name` could not be executed. EAGAIN and ETXTBSY get a text that helps. */
export function executeError(name: string, errno: number): HoldfastError {
  if (errno === constants.errno.ETXTBSY)
    return new HoldfastError(
      "unavailable",
      `cannot execute ${name}: a program has it open for writing (ETXTBSY); try again when it is closed`,
    );
  if (errno !== constants.errno.EAGAIN) return systemError(`execute ${name}`, errno);
  return new HoldfastError(
    "resource_exhausted",
    `cannot execute ${name}: no more processes are allowed here (EAGAIN): RLIMIT_NPROC or a pids cgroup is used up`,
  );
}

/** The posix_spawn functions return errno instead of setting it. */
function check(what: string, errno: number): void {
  if (errno !== 0) throw systemError(what, errno);
}
