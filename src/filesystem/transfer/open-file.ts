// Opens a file to send it: a regular file, without waiting for anything but its file system. Runs on a file thread.

import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from "node:fs";
import { kernelRandomUuid, nameOf } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { isSizeTrue, takeSnapshot } from "./snapshot.ts";
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
  context: OperationContext,
  path: Uint8Array,
  following: Following,
  sniffBytes: number,
): OpenFile {
  const { fd, stats, version, reached } = openSized(context, Buffer.from(path), following);
  try {
    const first = Buffer.alloc(Math.min(sniffBytes, Number(stats.size)));
    const read =
      first.length === 0 ? 0 : withPath("read", path, () => readSync(fd, first, 0, first.length, 0));
    return {
      fd,
      version,
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

interface Opened {
  readonly fd: number;
  readonly stats: BigIntStats;
  readonly reached: Buffer;
}

/** A file with the size of `stats`. */
function openSized(
  context: OperationContext,
  path: Buffer,
  following: Following,
): Opened & { readonly version: string } {
  const opened = open(path, following);
  let isKept = false;
  try {
    isKept = withPath("read", path, () => isSizeTrue(opened.fd, opened.stats));
    if (isKept) return { ...opened, version: versionIn(opened.stats) };
    const fd = takeSnapshot(context, opened.fd, path);
    // Not of inode and times: two snapshots of one moment can have the same ones.
    return { ...opened, fd, stats: fstatSync(fd, { bigint: true }), version: kernelRandomUuid() };
  } finally {
    if (!isKept) closeSync(opened.fd);
  }
}

function open(path: Buffer, following: Following): Opened {
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
