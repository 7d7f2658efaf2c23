// What an upload may be written to: a regular file, or a name at which there is nothing.

import { closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { clip } from "../../text.ts";
import { FileError, pathText } from "../file-error.ts";

const SLASH = 0x2f;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

/** Throws for directories, devices, FIFOs and sockets: access would block, or do something else than store and read. */
export function assertFileTarget({ mode }: Pick<Stats, "mode">, path: Uint8Array): void {
  const type = mode & S_IFMT;
  if (type === S_IFREG) return;
  const kind = type === S_IFDIR ? "is a directory" : "is not a regular file";
  throw new FileError("invalid_argument", `path '${clip(pathText(path))}' ${kind}`);
}

/** Opens a regular file, without waiting for another program. What `path` named a moment ago may have been replaced. */
export function openFileTarget(path: Buffer, access: number): number {
  const fd = openSync(path, access | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    assertFileTarget(fstatSync(fd), path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** Before anything is created: a name that can only be a directory. */
export function assertFileName(path: Buffer): void {
  const name = baseOf(path).toString("latin1");
  if (name !== "" && name !== "." && name !== "..") return;
  throw new FileError("invalid_argument", `path '${clip(pathText(path))}' is a directory`);
}

export function parentOf(path: Buffer): Buffer {
  const end = path.lastIndexOf(SLASH);
  return end <= 0 ? Buffer.from("/") : path.subarray(0, end);
}

export function baseOf(path: Buffer): Buffer {
  return path.subarray(path.lastIndexOf(SLASH) + 1);
}
