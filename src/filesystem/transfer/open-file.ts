// Opens a file to send it: a regular file, without waiting for anything but its file system. Runs on a file thread.

import { type BigIntStats, closeSync, constants, openSync, readlinkSync, readSync } from "node:fs";
import { nameOf } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { type Following, withFileTarget } from "./target.ts";
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

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Rejects with `not_found` in envd's words, which clients compare. */
export function openFile(
  _context: OperationContext,
  path: Uint8Array,
  following: Following,
  sniffBytes: number,
): OpenFile {
  const { fd, stats, reached } = open(Buffer.from(path), following);
  try {
    const first = Buffer.alloc(Math.min(sniffBytes, Number(stats.size)));
    const read =
      first.length === 0 ? 0 : withPath("read", path, () => readSync(fd, first, 0, first.length, 0));
    return {
      fd,
      version: versionIn(stats),
      bytes: Number(stats.size),
      modifiedMs: Number(stats.mtimeMs),
      reached,
      firstBytes: first.subarray(0, read),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function open(
  path: Buffer,
  following: Following,
): { readonly fd: number; readonly stats: BigIntStats; readonly reached: Buffer } {
  try {
    return withFileTarget(path, following, (found, stats) => {
      const place = `/proc/self/fd/${found}`;
      const reached = readlinkSync(place, "buffer");
      return { fd: openSync(place, FLAGS), stats, reached };
    });
  } catch (error) {
    const errno = error instanceof FileError ? undefined : errnoOf(error);
    if (errno === undefined) throw error;
    const name = nameOf(errno);
    if (name === "ENOENT" || name === "ENOTDIR")
      throw new FileError("not_found", `path '${clip(pathText(path))}' does not exist`, errno);
    throw pathError("read", path, errno);
  }
}
