// Opens a file to send it: a regular file, without waiting for anything but its file system. Runs on a file thread.

import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { nameOf } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { assertFileTarget } from "./target.ts";
import { versionIn } from "./version.ts";

export interface OpenFile {
  /** The receiver closes it. */
  readonly fd: number;
  readonly version: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** The path of the file that was reached, without links. */
  readonly reached: Uint8Array;
  readonly firstBytes: Uint8Array;
}

/** The path may be swapped between the two looks; O_NONBLOCK then keeps a FIFO from blocking. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Rejects with `not_found` in envd's words, which clients compare. */
export function openFile(
  _context: OperationContext,
  path: Uint8Array,
  isFollowing: boolean,
  sniffBytes: number,
): OpenFile {
  const place = Buffer.from(path);
  const fd = open(place, isFollowing);
  try {
    const stats = withPath("read", path, () => fstatSync(fd, { bigint: true }));
    assertFileTarget({ mode: Number(stats.mode) }, path);
    const first = Buffer.alloc(Math.min(sniffBytes, Number(stats.size)));
    const read =
      first.length === 0 ? 0 : withPath("read", path, () => readSync(fd, first, 0, first.length, 0));
    return {
      fd,
      version: versionIn(stats),
      bytes: Number(stats.size),
      modifiedMs: Number(stats.mtimeMs),
      reached: withPath("read", path, () => realpathSync.native(place, "buffer")),
      firstBytes: first.subarray(0, read),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function open(path: Buffer, isFollowing: boolean): number {
  try {
    assertFileTarget(statSync(path), path);
    return openSync(path, isFollowing ? FLAGS : FLAGS | constants.O_NOFOLLOW);
  } catch (error) {
    const errno = error instanceof FileError ? undefined : errnoOf(error);
    if (errno === undefined) throw error;
    const name = nameOf(errno);
    if (name === "ENOENT" || name === "ENOTDIR")
      throw new FileError("not_found", `path '${clip(pathText(path))}' does not exist`, errno);
    throw pathError("read", path, errno);
  }
}
