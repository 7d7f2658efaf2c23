// Puts content into an open file, in place: the inode, its links, its mode and its owner stay. Space is reserved before
// the first byte changes, so that a full disk or quota leaves the old content. Runs on a file thread.

import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { copyRange, nameOf, reserveBlocks } from "../../linux/index.ts";
import { pathError, withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";

/** Where complete content is. */
export type CompleteContent =
  | { readonly kind: "memory"; readonly bytes: number; readonly data: Uint8Array }
  | { readonly kind: "spool"; readonly bytes: number; readonly fd: number };

const STEP_BYTES = 16 * 1024 * 1024;
const BUFFER_BYTES = 256 * 1024;
/** The kernel cannot copy between these files; reading and writing can. */
const copyAnotherWay = new Set(["EXDEV", "EINVAL", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EPERM", "EBADF"]);
const cannotReserve = new Set(["EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EINVAL"]);

/** One call writes so much, and a kill does not divide it. */
const PAGE_BYTES = 4096;

/** Whether one call changes the file of `size` bytes from its old content to the new one. */
export function isOneWrite(content: CompleteContent, size: number): boolean {
  return content.bytes === 0 || (content.bytes <= PAGE_BYTES && size <= content.bytes);
}

/** Afterwards the file has `content` and nothing else. `path` is for messages. */
export function copyIn(
  context: OperationContext,
  content: CompleteContent,
  to: number,
  path: Uint8Array,
): void {
  const before = fstatSync(to);
  reserve(to, content.bytes, before, path);
  if (content.kind === "memory") writeAll(to, content.data, 0, path);
  else copyAll(context, { from: content.fd, fromAt: 0, to, toAt: 0, bytes: content.bytes }, path);
  if (before.size > content.bytes) withPath("write", path, () => ftruncateSync(to, content.bytes));
}

export interface CopiedPart {
  readonly from: number;
  readonly fromAt: number;
  readonly to: number;
  readonly toAt: number;
  readonly bytes: number;
}

/** Copies exactly `bytes`, in the kernel where the file systems can. */
export function copyAll(context: OperationContext, part: CopiedPart, path: Uint8Array): void {
  const { from, fromAt, to, toAt, bytes } = part;
  let done = 0;
  while (done < bytes) {
    context.step();
    const copied = copyRange(from, fromAt + done, to, toAt + done, Math.min(STEP_BYTES, bytes - done));
    if (copied > 0) done += copied;
    else if (copied === 0 || copyAnotherWay.has(nameOf(-copied))) break;
    else throw pathError("write", path, -copied);
  }
  const buffer = Buffer.allocUnsafe(done < bytes ? BUFFER_BYTES : 0);
  while (done < bytes) {
    context.step();
    const length = Math.min(buffer.length, bytes - done);
    const read = withPath("read", path, () => readSync(from, buffer, 0, length, fromAt + done));
    // It became shorter meanwhile.
    if (read === 0) throw pathError("copy to", path, ESTALE);
    writeAll(to, buffer.subarray(0, read), toAt + done, path);
    done += read;
  }
}

const ESTALE = 116;

export function writeAll(fd: number, data: Uint8Array, position: number, path: Uint8Array): void {
  for (let done = 0; done < data.length; )
    done += withPath("write", path, () => writeSync(fd, data, done, data.length - done, position + done));
}

/**
 * After a failure the file is as before. Skipped where all blocks are there: the reservation is an event of the file
 * for its watchers.
 */
function reserve(
  to: number,
  bytes: number,
  before: { readonly size: number; readonly blocks: number },
  path: Uint8Array,
): void {
  // As many blocks as bytes: the file has no hole where the content comes.
  const isWhole = before.size >= bytes && before.blocks * 512 >= before.size;
  if (bytes === 0 || isWhole) return;
  const result = reserveBlocks(to, bytes);
  if (result === 0 || cannotReserve.has(nameOf(-result))) return;
  try {
    // Returns the space that was reserved before the disk was full.
    ftruncateSync(to, before.size);
  } catch {
    // The reservation is beyond the end of the file; the file system frees it with the file.
  }
  throw pathError(`write ${bytes} bytes to`, path, -result);
}
