// The content of a file whose size is not the one that the file system says: files of /proc have size 0, files of /sys one
// page. It is read once, so that it has a length and a version. Runs on a file thread.

import { type BigIntStats, closeSync, readSync } from "node:fs";
import { clip } from "../../text.ts";
import { FileError, pathText, withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { writeAll } from "./copy-in.ts";
import { openSpool } from "./spool.ts";
import { parentOf } from "./target.ts";

/** Some files of /proc have no end. */
const MAX_BYTES = 64 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;

export function isSizeTrue(fd: number, { size, blocks }: BigIntStats): boolean {
  if (size > 0n && blocks > 0n) return true;
  const byte = Buffer.alloc(1);
  const isThere = readSync(fd, byte, 0, 1, size === 0n ? 0 : Number(size) - 1) === 1;
  return isThere === size > 0n;
}

/** A nameless file with the content. The caller closes it. */
export function takeSnapshot(context: OperationContext, from: number, path: Buffer): number {
  const { fd } = openSpool(parentOf(path));
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (let at = 0; ; ) {
      context.step();
      const read = withPath("read", path, () => readSync(from, piece, 0, piece.length, at));
      if (read === 0) return fd;
      writeAll(fd, piece.subarray(0, read), at, path);
      at += read;
      if (at > MAX_BYTES)
        throw new FileError(
          "resource_exhausted",
          `cannot read "${clip(pathText(path))}": the file system does not say its size, and it has more than ${MAX_BYTES} bytes`,
        );
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
