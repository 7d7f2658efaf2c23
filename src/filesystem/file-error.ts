// Errors of file calls: errno, the action and the path in one message, with a code that clients can
// act on. The only place that decides which code an errno has for files.

import { constants } from "node:os";
import { type ErrorCode, HoldfastError } from "../errors.ts";
import { nameOf } from "../linux/index.ts";
import { clip } from "../text.ts";

const E = constants.errno;

/** A failed call on a file. `errno` lets HTTP endpoints choose their status. */
export class FileError extends HoldfastError {
  /** 0 for a refusal of the agent itself. */
  readonly errno: number;

  constructor(code: ErrorCode, message: string, errno = 0) {
    super(code, message);
    this.errno = errno;
  }
}

const outcomes = new Map<number, readonly [code: ErrorCode, problem: string]>([
  [E.ENOENT, ["not_found", "it does not exist"]],
  [E.ENOTDIR, ["not_found", "a part of it is a file and not a directory"]],
  [E.EACCES, ["permission_denied", "permission denied"]],
  [E.EPERM, ["permission_denied", "the system does not permit it"]],
  [E.EROFS, ["failed_precondition", "the file system is read-only"]],
  [E.ENOSPC, ["resource_exhausted", "no space is left on the file system"]],
  [E.EDQUOT, ["resource_exhausted", "the disk quota is used up"]],
  [E.EMFILE, ["resource_exhausted", "the agent has too many open files"]],
  [E.ENFILE, ["resource_exhausted", "the machine has too many open files"]],
  [E.ENOMEM, ["resource_exhausted", "the machine has no memory for it"]],
  [E.EFBIG, ["resource_exhausted", "the file would become too large for its file system"]],
  [E.EMLINK, ["resource_exhausted", "the file has too many links"]],
  [E.ENAMETOOLONG, ["invalid_argument", "a name may have 255 bytes and a path 4095"]],
  [E.ELOOP, ["failed_precondition", "it has too many symbolic links, or one that is not followed"]],
  [E.EINVAL, ["invalid_argument", "the file system refuses it"]],
  [E.EISDIR, ["invalid_argument", "it is a directory"]],
  [E.EEXIST, ["already_exists", "it exists"]],
  [E.ENOTEMPTY, ["failed_precondition", "the directory is not empty"]],
  [E.EBUSY, ["failed_precondition", "it is in use, for example as a mount point"]],
  [E.EXDEV, ["failed_precondition", "it is on another file system"]],
  [E.ENXIO, ["invalid_argument", "it is a socket or a device without a driver"]],
  [E.ENODEV, ["invalid_argument", "its device does not exist"]],
  [E.ENOTSUP, ["failed_precondition", "the file system does not support it"]],
  [E.ETXTBSY, ["unavailable", "a running program uses it; try again"]],
  [E.EIO, ["unavailable", "the disk or mount reports an input/output error"]],
  [E.ENOTCONN, ["unavailable", "its mount is dead"]],
  [E.ETIMEDOUT, ["unavailable", "its file system does not answer"]],
  [E.ESTALE, ["unavailable", "the handle of its file system is stale; try again"]],
  [E.EAGAIN, ["unavailable", "it is locked or busy; try again"]],
]);

/** `action` follows "cannot": `list`, `remove`. An unknown errno is a state of the machine, not a bug of the agent. */
export function pathError(action: string, path: Uint8Array | string, errno: number): FileError {
  const { code, problem } = problemOf(errno);
  return new FileError(code, `cannot ${action} "${clip(pathText(path))}": ${problem}`, errno);
}

/** The code for clients, and the problem with the name of the errno. */
export function problemOf(errno: number): { readonly code: ErrorCode; readonly problem: string } {
  const [code, problem] = outcomes.get(errno) ?? ["unavailable", "the system refuses it"];
  return { code, problem: `${problem} (${nameOf(errno)})` };
}

/** The errno of an error that Node threw, if it has one. */
export function errnoOf(error: unknown): number | undefined {
  const errno = error instanceof Error && "errno" in error ? error.errno : undefined;
  return typeof errno === "number" && errno !== 0 ? Math.abs(errno) : undefined;
}

/** Runs `call`; its system error becomes a FileError that names `path`. */
export function withPath<T>(action: string, path: Uint8Array | string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const errno = error instanceof HoldfastError ? undefined : errnoOf(error);
    throw errno === undefined ? error : pathError(action, path, errno);
  }
}

/** Names are bytes; in messages and answers, bytes that are not UTF-8 become U+FFFD. */
export function pathText(path: Uint8Array | string): string {
  return typeof path === "string" ? path : Buffer.from(path).toString();
}
