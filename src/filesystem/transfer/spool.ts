// Spool files: where the content of an upload is until it is complete. On the target's file system if possible, so that a
// new file only needs a name and a copy can share blocks; outside the target's directory, because changes of a nameless
// file are events of the directory that it was opened in. It has no name, so nothing is left if the agent is killed.
// Runs on a file thread, except for removeAbandonedSpools.

import { constants, openSync, promises, realpathSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { kernelRandomUuid, nameOf, O_TMPFILE } from "../../linux/index.ts";
import { errnoOf, pathError } from "../file-error.ts";
import { noteOwnSpool } from "../threads/own-spools.ts";

/** Directories that every user may write to, one of which is usually on the target's file system. */
export const SHARED_DIRECTORIES = ["/var/tmp", "/tmp"];
/** Of files that have a name for a moment: where a file system has no nameless ones, and before a rename. */
const NAME_PREFIX = ".holdfast-spool-";
const MAX_ANCESTORS = 256;
const MODE = 0o600;

export interface Spool {
  /** The receiver closes it. */
  readonly fd: number;
  /** Whether it is on the file system of its target, so that it can get a name there. */
  readonly isLinkable: boolean;
  /** The directory in which it was opened. */
  readonly directory: string;
}

/** For content that belongs into `directory`, or into the nearest directory above that exists. */
export function openSpool(directory: Uint8Array): Spool {
  for (const candidate of neighboursOf(directory)) {
    const fd = openNameless(candidate);
    if (fd !== undefined) return { fd, isLinkable: true, directory: candidate };
  }
  let failure: unknown;
  for (const candidate of SHARED_DIRECTORIES) {
    try {
      const fd = openNameless(candidate) ?? openUnlinked(candidate);
      return { fd, isLinkable: false, directory: candidate };
    } catch (error) {
      failure = error;
    }
  }
  throw pathError("create a spool file in", SHARED_DIRECTORIES.join(" or "), errnoOf(failure) ?? 0);
}

/**
 * Opens a nameless file on the file system of `directory`. It uses `directory` itself last. Undefined if the user may create no
 * such file. The caller closes it.
 */
export function openNamelessNear(directory: Uint8Array): number | undefined {
  for (const candidate of [...neighboursOf(directory), Buffer.from(directory)]) {
    const fd = openNameless(candidate);
    if (fd !== undefined) return fd;
  }
  return undefined;
}

/** A name in `directory` for a file that is renamed in the next step. */
export function momentaryName(directory: Uint8Array): Buffer {
  return Buffer.concat([directory, Buffer.from(`/${NAME_PREFIX}${process.pid}-${kernelRandomUuid()}`)]);
}

/** At the start of an agent: removes what agents that were killed in such a moment left in the shared directories. */
export async function removeAbandonedSpools(): Promise<void> {
  for (const directory of SHARED_DIRECTORIES) {
    const names = await promises.readdir(directory).catch(() => []);
    for (const name of names) {
      const [, pid] = /^\.holdfast-spool-(\d+)-/.exec(name) ?? [];
      if (pid === undefined || (await isAlive(Number(pid)))) continue;
      await promises.unlink(`${directory}/${name}`).catch(() => {
        // Another user's, or already gone.
      });
    }
  }
}

/** Also true for another program with the pid of a killed agent: that file stays until a later start. */
async function isAlive(pid: number): Promise<boolean> {
  if (pid === process.pid) return false;
  return await promises.stat(`/proc/${pid}`).then(
    () => true,
    () => false,
  );
}

/** Directories on the file system of `directory`, except this one. */
function neighboursOf(directory: Uint8Array): string[] {
  const own = nearest(directory);
  if (own === undefined) return [];
  return [...SHARED_DIRECTORIES, topOf(own.path, own.dev)].filter((candidate): candidate is string => {
    if (candidate === undefined) return false;
    const stats = statSync(candidate, { bigint: true, throwIfNoEntry: false });
    return stats !== undefined && stats.dev === own.dev && stats.ino !== own.ino;
  });
}

/** The real path of `directory` or of the nearest directory above it. */
function nearest(
  directory: Uint8Array,
): { readonly path: Buffer; readonly dev: bigint; readonly ino: bigint } | undefined {
  let at = Buffer.from(directory);
  for (let count = 0; count < MAX_ANCESTORS; count++) {
    try {
      const path = realpathSync.native(at, "buffer");
      return { path, ...statSync(path, { bigint: true }) };
    } catch {
      // Not there yet, or not to be seen: its parent decides.
    }
    const end = at.lastIndexOf("/");
    if (end < 0) return undefined;
    at = end === 0 ? Buffer.from("/") : at.subarray(0, end);
  }
  return undefined;
}

/** The highest directory above `path` on its file system. A path that is not UTF-8 has none here. */
function topOf(path: Buffer, dev: bigint): string | undefined {
  let at = path.toString();
  if (!Buffer.from(at).equals(path)) return undefined;
  let top: string | undefined;
  for (let count = 0; at !== "/" && count < MAX_ANCESTORS; count++) {
    at = dirname(at);
    if (statSync(at, { bigint: true, throwIfNoEntry: false })?.dev !== dev) break;
    top = at;
  }
  return top;
}

/** The errors of a file system that has no nameless files, or of a directory that may not be written to. */
const cannotBeNameless = new Set([
  ...["EOPNOTSUPP", "ENOTSUP", "EISDIR", "ENOENT", "EACCES", "EPERM", "EROFS", "EINVAL"],
]);

function openNameless(directory: string | Buffer): number | undefined {
  try {
    const fd = openSync(directory, O_TMPFILE | constants.O_RDWR, MODE);
    noteOwnSpool(fd);
    return fd;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== undefined && cannotBeNameless.has(nameOf(errno))) return undefined;
    throw errno === undefined ? error : pathError("create a spool file in", directory, errno);
  }
}

function openUnlinked(directory: string): number {
  const name = momentaryName(Buffer.from(directory));
  const fd = openSync(name, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, MODE);
  unlinkSync(name);
  return fd;
}
