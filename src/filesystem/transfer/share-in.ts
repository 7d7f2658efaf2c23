// Replaces the content of an open file in place, on file systems that write changed data to new blocks (Btrfs, bcachefs). There,
// a full disk or quota can end a copy in the middle, even if the file already has all its blocks. The content is therefore
// written to a nameless file on the same file system first, and one call then makes the target share its blocks. Runs on a
// file thread.

import { closeSync, fstatSync, ftruncateSync, readlinkSync, statfsSync } from "node:fs";
import { nameOf, shareBlocks, syncFileSystem, writeBack } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { type CompleteContent, copyAll, writeAll } from "./copy-in.ts";
import { openNamelessNear } from "./spool.ts";
import { parentOf } from "./target.ts";

export interface SharingRequest {
  readonly content: CompleteContent;
  /** Of the target, for messages. */
  readonly path: Buffer;
}

/** By the `f_type` of statfs(2). XFS can share blocks also, but overwrites those that are not shared in place. */
const writesToNewBlocks = new Set([0x9123683e, 0xca451a4e]);
const noSpace = new Set(["ENOSPC", "EDQUOT"]);
const STEP_BYTES = 16 * 1024 * 1024;

/**
 * Afterwards the open file `target` has exactly `content`. After an error it has its old content, unless the message says that
 * it does not. Returns false, with nothing changed, if this cannot be done here.
 */
export function shareIn(context: OperationContext, request: SharingRequest, target: number): boolean {
  if (!writesToNewBlocks.has(statfsSync(`/proc/self/fd/${target}`).type)) return false;
  const opened: number[] = [];
  try {
    const staged = stage(context, request, target, opened);
    if (staged === undefined) return false;
    const old = nameless(target, opened);
    if (old === undefined) return false;
    if (!succeeds(shareBlocks(target, old), "keep the old content of", request.path)) return false;
    context.step();
    return exchange({ staged, old, target, bytes: request.content.bytes, path: request.path });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** The content in a file of the target's file system, written to its disk: shareBlocks would do that in one long call. */
function stage(
  context: OperationContext,
  { content, path }: SharingRequest,
  target: number,
  opened: number[],
): number | undefined {
  const isThere = content.kind === "spool" && isBeside(content.fd, target);
  const staged = isThere ? content.fd : nameless(target, opened);
  if (staged === undefined) return undefined;
  if (content.kind === "memory") writeAll(staged, content.data, 0, path);
  else if (!isThere)
    copyAll(context, { from: content.fd, fromAt: 0, to: staged, toAt: 0, bytes: content.bytes }, path);
  for (let at = 0; at < content.bytes; at += STEP_BYTES) {
    context.step();
    const failure = writeBack(staged, at, Math.min(STEP_BYTES, content.bytes - at));
    if (failure !== 0) succeeds(failure, "write", path);
  }
  return staged;
}

/** A nameless file on the file system of `target`; undefined if none may be created. */
function nameless(target: number, opened: number[]): number | undefined {
  // Of the file itself: its path may lead through a link to another file system.
  const real = readlinkSync(`/proc/self/fd/${target}`, "buffer");
  const fd = openNamelessNear(parentOf(real));
  if (fd === undefined) return undefined;
  opened.push(fd);
  return isBeside(fd, target) ? fd : undefined;
}

function isBeside(fd: number, target: number): boolean {
  return fstatSync(fd, { bigint: true }).dev === fstatSync(target, { bigint: true }).dev;
}

interface Exchange {
  readonly staged: number;
  /** Has the content of `target`. */
  readonly old: number;
  readonly target: number;
  readonly bytes: number;
  readonly path: Buffer;
}

function exchange({ staged, old, target, bytes, path }: Exchange): boolean {
  let failure: number;
  try {
    // The kernel shares a partial last block only if it is the last of both files.
    if (fstatSync(target).size > bytes) withPath("write", path, () => ftruncateSync(target, bytes));
    failure = shareWithRetry(staged, target);
  } catch (error) {
    restore(old, target, path);
    throw error;
  }
  if (failure === 0) return true;
  restore(old, target, path);
  return succeeds(failure, "write", path);
}

function restore(old: number, target: number, path: Buffer): void {
  let failure: number;
  try {
    const { size } = fstatSync(old);
    // A shorter one is made longer by sharing.
    if (fstatSync(target).size > size) ftruncateSync(target, size);
    failure = size === 0 ? 0 : shareWithRetry(old, target);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    failure = -errno;
  }
  if (failure === 0) return;
  const text = `"${pathText(path)}" is damaged: neither the new content nor the old one could be stored (${nameOf(-failure)})`;
  throw new FileError("unavailable", text, -failure);
}

/** Freed space can be used after the file system has committed the change: so it is made to, once. */
function shareWithRetry(from: number, to: number): number {
  const failure = shareBlocks(from, to);
  if (!noSpace.has(nameOf(-failure))) return failure;
  syncFileSystem(to);
  return shareBlocks(from, to);
}

/** False if these files cannot share blocks. A full disk or quota is an error. */
function succeeds(failure: number, action: string, path: Buffer): boolean {
  if (noSpace.has(nameOf(-failure))) throw pathError(action, path, -failure);
  return failure === 0;
}
