// Puts content into an open file, in place, on file systems whose files can share blocks (Btrfs, XFS, bcachefs, overlays of
// them). They may write to other blocks than those that are there: a full disk or a disk quota can then end a copy in the
// middle, although the file has all its blocks. So the content is first staged in a nameless file of the same file system,
// where it may fail, and its blocks are then given to the file in one call. Runs on a file thread.

import { closeSync, fstatSync, ftruncateSync } from "node:fs";
import { nameOf, shareBlocks, syncFileSystem } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { type CompleteContent, copyAll, writeAll } from "./copy-in.ts";
import { openNamelessNear, type Spool } from "./spool.ts";
import { parentOf } from "./target.ts";

export interface SharingRequest {
  readonly content: CompleteContent;
  readonly spool: Spool | undefined;
  /** Of the target. */
  readonly path: Buffer;
}

const noSpace = new Set(["ENOSPC", "EDQUOT"]);

/**
 * Afterwards the open file `target` has `content` and nothing else; after an error it is as before. False if its file system
 * cannot do that: nothing has changed then.
 */
export function shareIn(context: OperationContext, request: SharingRequest, target: number): boolean {
  if (!canShareBlocks(target)) return false;
  const staged = stage(context, request);
  if (staged === undefined) return false;
  try {
    const { bytes } = request.content;
    if (fstatSync(target).size > bytes) return shrinkAndShare(staged.fd, target, bytes, request.path);
    return succeeds(shareBlocks(staged.fd, target), "write", request.path);
  } finally {
    staged.close();
  }
}

/** A file system that knows the call refuses to share a file's blocks with the file itself. */
function canShareBlocks(fd: number): boolean {
  return nameOf(-shareBlocks(fd, fd)) === "EINVAL";
}

interface Staged {
  readonly fd: number;
  close(): void;
}

/** The content in a file of the target's file system. */
function stage(context: OperationContext, { content, spool, path }: SharingRequest): Staged | undefined {
  if (content.kind === "spool" && spool?.isLinkable === true)
    return { fd: content.fd, close: () => undefined };
  const fd = openNamelessNear(parentOf(path));
  if (fd === undefined) return undefined;
  try {
    if (content.kind === "memory") writeAll(fd, content.data, 0, path);
    else copyAll(context, { from: content.fd, fromAt: 0, to: fd, toAt: 0, bytes: content.bytes }, path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, close: () => closeSync(fd) };
}

/** Blocks are shared up to the end of both files, so a longer target is shortened first. */
function shrinkAndShare(staged: number, target: number, bytes: number, path: Buffer): boolean {
  const { size } = fstatSync(target);
  const old = openNamelessNear(parentOf(path));
  if (old === undefined) return false;
  try {
    if (!succeeds(shareBlocks(target, old), "keep the old content of", path)) return false;
    withPath("write", path, () => ftruncateSync(target, bytes));
    const failure = shareWithRetry(staged, target);
    if (failure === 0) return true;
    restore(old, target, size, path);
    return succeeds(failure, "write", path);
  } finally {
    closeSync(old);
  }
}

function restore(old: number, target: number, size: number, path: Buffer): void {
  let failure: number;
  try {
    ftruncateSync(target, size);
    failure = shareWithRetry(old, target);
  } catch (error) {
    failure = -(errnoOf(error) ?? 0);
  }
  if (failure === 0) return;
  const text = `"${pathText(path)}" lost its end, and its old content could not be put back (${nameOf(-failure)})`;
  throw new FileError("internal", text, -failure);
}

/** Space that was freed can be used when the file system has stored that it is free. */
function shareWithRetry(from: number, to: number): number {
  const failure = shareBlocks(from, to);
  if (!noSpace.has(nameOf(-failure))) return failure;
  syncFileSystem(to);
  return shareBlocks(from, to);
}

/** False for a failure that means: not for these files. Without space, the upload fails. */
function succeeds(failure: number, action: string, path: Buffer): boolean {
  if (noSpace.has(nameOf(-failure))) throw pathError(action, path, -failure);
  return failure === 0;
}
