// Starts a command through the launcher (launcher.c): a static program that becomes the
// user of the command, enters its cwd, finds it and executes it, with the rights of that user. No
// system call here touches a path that a client chose, so no dead mount can stop the agent.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { HoldfastError } from "../../errors.ts";
import { systemError } from "../errno.ts";
import { closeAll, duplicateFrom, type Fd, libc, openPipe, type Pid } from "../libc.ts";
import type { InheritedProperties } from "./inherited-properties.ts";
import { LAUNCHER_IMAGES } from "./launcher-images.ts";
import { type ChildStdio, spawn } from "./posix-spawn.ts";

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** All groups, the primary one included. */
  readonly groups: readonly number[];
}

export interface LaunchRequest {
  /** Undefined: that of the agent. */
  readonly identity: Identity | undefined;
  /** The `cgroup.procs` of a cgroup to join. */
  readonly cgroupProcs: string | undefined;
  readonly cwd: string;
  /** The cwd if `cwd` cannot be entered. */
  readonly fallbackCwd: string | undefined;
  /** With a slash a path, relative to the cwd; otherwise searched in PATH of `environment`. */
  readonly command: string;
  /** `argv[0]` first. */
  readonly argv: readonly string[];
  /** Each `NAME=value`. */
  readonly environment: readonly string[];
  readonly stdio: ChildStdio;
}

/** A child that has not executed its command yet. The caller owns both and closes `report`. */
export interface Launch {
  readonly pid: Pid;
  /** Ends when the command is executed or has failed; see `readReport`. */
  readonly report: Fd;
}

export type LaunchStep = "cgroup" | "user" | "cwd" | "command" | "interpreter";

export interface LaunchReport {
  /** The step that has begun last. */
  readonly step: LaunchStep;
  readonly failure?: { readonly errno: number; readonly path: string };
}

const steps: Readonly<Record<string, LaunchStep>> = {
  g: "cgroup",
  u: "user",
  d: "cwd",
  x: "command",
  i: "interpreter",
};

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_EXEC = 0x10;
const F_ADD_SEALS = 1033;
const ALL_SEALS = 0xf;
/** Above 0 to 3, which the child replaces before it executes this descriptor. */
const LOWEST_IMAGE_FD = 10;

const memfdCreate = libc.func("int memfd_create(const char *name, unsigned int flags)");
const fcntl = libc.func("int fcntl(int fd, int command, int argument)");

let imageFd: Fd | undefined;

/**
 * Opens the image at the start of the agent, so that no launch fails because descriptors ran out.
 */
export function prepareLaunches(): void {
  if (LAUNCHER_IMAGES[process.arch] !== undefined) openImage();
}

/**
 * Returns while the child is still at work; `readReport` reports how it ended. Throws
 * `resource_exhausted` if the machine has no room and `invalid_argument` for too large arguments.
 */
export function launch(request: LaunchRequest, inherited: InheritedProperties): Launch {
  const { identity, cgroupProcs = "", cwd, fallbackCwd = "", command, argv } = request;
  const ids = identity === undefined ? "" : [identity.uid, identity.gid, ...identity.groups].join(" ");
  const report = openPipe();
  try {
    const pid = spawn(
      {
        path: `/proc/self/fd/${openImage()}`,
        name: command,
        argv: ["holdfast-launcher", ids, cgroupProcs, cwd, fallbackCwd, command, ...argv],
        environment: request.environment,
        cwd: undefined,
        stdio: request.stdio,
        report: report.write,
      },
      inherited,
    );
    closeSync(report.write);
    return { pid, report: report.read };
  } catch (error) {
    closeAll([report.read, report.write]);
    throw error;
  }
}

/** `bytes` is everything that the report has held so far. */
export function readReport(bytes: Buffer): LaunchReport {
  let step: LaunchStep = "user";
  for (const [index, byte] of bytes.entries()) {
    const letter = String.fromCharCode(byte);
    const next = steps[letter.toLowerCase()];
    if (next === undefined) break;
    step = next;
    if (letter === letter.toLowerCase()) continue;
    const errno = bytes.readUInt16LE(index + 1);
    return { step, failure: { errno, path: bytes.subarray(index + 3).toString() } };
  }
  return { step };
}

/**
 * Opened once and kept: the image in memory, or in a removed file where memory cannot be executed.
 */
function openImage(): Fd {
  if (imageFd !== undefined) return imageFd;
  const image = LAUNCHER_IMAGES[process.arch];
  if (image === undefined)
    throw new HoldfastError("unimplemented", `commands cannot be launched on ${process.arch}`);
  const bytes = Buffer.from(image, "base64");
  const opened = openInMemory(bytes) ?? openRemovedFile(bytes);
  imageFd = duplicateFrom(opened, LOWEST_IMAGE_FD);
  closeSync(opened);
  return imageFd;
}

function openInMemory(bytes: Buffer): Fd | undefined {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  let fd: number = memfdCreate("holdfast-launcher", flags | MFD_EXEC);
  // EINVAL: a kernel before 6.3, where every such file may be executed.
  if (fd < 0) fd = memfdCreate("holdfast-launcher", flags);
  if (fd < 0) return undefined;
  writeSync(fd, bytes);
  if (fcntl(fd, F_ADD_SEALS, ALL_SEALS) !== 0) throw systemError("seal the launcher", koffi.errno());
  return fd as Fd;
}

function openRemovedFile(bytes: Buffer): Fd {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    const path = join(folder, "launcher");
    writeFileSync(path, bytes, { mode: 0o755 });
    return openSync(path, "r") as Fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
