// Completes a file that a killed agent had begun to write in place. Runs on a file thread, with the
// rights of the owner of the record.

import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { lockFile } from "../../linux/index.ts";
import { errnoOf, FileError } from "../file-error.ts";
import { openPath } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { copyAll } from "./copy-in.ts";
import { type RedoHeader, removeIfThere } from "./redo-record.ts";

/** `busy`: its agent lives. `left`: there was nothing to complete. */
export interface RedoOutcome {
  readonly kind: "completed" | "left" | "busy";
  readonly path: Uint8Array | undefined;
}

const MAX_HEADER_BYTES = 32 * 1024;
/** Later writes than this are of another program: a copy takes less than this and a second for each 10 MB. */
const GRACE_MS = 60_000;
const SLOW_BYTES_PER_MS = 10_000;
const PIECE_BYTES = 256 * 1024;

export function completeRedo(context: OperationContext, record: string, owner: number): RedoOutcome {
  const fd = openSync(record, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    // Only a record that the same user made: other users may also create files in the directory.
    if (!stats.isFile() || stats.nlink !== 1 || stats.uid !== owner || (stats.mode & 0o077) !== 0)
      return { kind: "left", path: undefined };
    if (!lockFile(fd)) return { kind: "busy", path: undefined };
    const found = readRecord(fd);
    const path = found === undefined ? undefined : Buffer.from(found.header.path, "base64");
    const isCompleted = found !== undefined && complete(context, found, stats.mtimeMs);
    const content = found?.header.content;
    if (content !== undefined) removeIfThere(Buffer.from(content, "base64"));
    removeIfThere(record);
    return { kind: isCompleted ? "completed" : "left", path };
  } finally {
    closeSync(fd);
  }
}

interface Found {
  readonly header: RedoHeader;
  readonly fd: number;
  /** Where the content begins in a record that holds it. */
  readonly contentAt: number;
}

/** Undefined if the record is incomplete. */
function readRecord(fd: number): Found | undefined {
  const start = Buffer.alloc(MAX_HEADER_BYTES);
  const text = start.subarray(0, readSync(fd, start, 0, start.length, 0));
  const end = text.indexOf("\n");
  if (end < 0) return undefined;
  const header = parse(text.subarray(0, end).toString());
  return header === undefined ? undefined : { header, fd, contentAt: end + 1 };
}

function parse(text: string): RedoHeader | undefined {
  try {
    const header = JSON.parse(text) as RedoHeader;
    const isRecord = typeof header.path === "string" && Number.isSafeInteger(header.bytes);
    return isRecord ? header : undefined;
  } catch {
    return undefined;
  }
}

function complete(context: OperationContext, found: Found, begunMs: number): boolean {
  const { header, fd, contentAt } = found;
  const opened: number[] = [];
  try {
    const target = openOrGone(header.path, constants.O_RDWR);
    if (target === undefined) return false;
    opened.push(target);
    let source = { fd, at: contentAt };
    if (header.content !== undefined) {
      const content = openOrGone(header.content, constants.O_RDONLY);
      if (content === undefined) return false;
      opened.push(content);
      source = { fd: content, at: 0 };
    }
    if (fstatSync(source.fd).size !== source.at + header.bytes) return false;
    if (!isUntouched(target, header, begunMs)) return false;
    const done = commonBytes(context, source, target, header.bytes);
    // share-in.ts makes the file shorter before it changes the rest.
    const wasShortened = (header.oldBytes ?? 0) > header.bytes && fstatSync(target).size === header.bytes;
    // Not begun, or rewritten by another program.
    if (done === 0 && !wasShortened) return false;
    const rest = { fromAt: source.at + done, toAt: done, bytes: header.bytes - done };
    copyAll(context, { from: source.fd, to: target, ...rest }, Buffer.from(header.path, "base64"));
    ftruncateSync(target, header.bytes);
    if (header.mode !== undefined) fchmodSync(target, header.mode);
    return true;
  } finally {
    for (const one of opened) closeSync(one);
  }
}

/** Undefined if there is no such file any more, or if it may not be opened. */
function openOrGone(path: string, access: number): number | undefined {
  try {
    return openPath(Buffer.from(path, "base64"), access | constants.O_NONBLOCK | constants.O_NOCTTY, {
      refuseLinks: true,
    });
  } catch (error) {
    if (errnoOf(error) === undefined || error instanceof FileError) throw error;
    return undefined;
  }
}

/** The same file, and written by no other program since. */
function isUntouched(target: number, { dev, ino, bytes }: RedoHeader, begunMs: number): boolean {
  const now = fstatSync(target, { bigint: true });
  if (!now.isFile() || String(now.dev) !== dev || String(now.ino) !== ino) return false;
  return Number(now.mtimeMs) <= begunMs + GRACE_MS + bytes / SLOW_BYTES_PER_MS;
}

/** How many bytes at the beginning are the new ones already. */
function commonBytes(
  context: OperationContext,
  source: { readonly fd: number; readonly at: number },
  target: number,
  bytes: number,
): number {
  const [a, b] = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)];
  let done = 0;
  while (done < bytes) {
    context.step();
    const length = Math.min(PIECE_BYTES, bytes - done);
    const read = Math.min(
      readSync(source.fd, a, 0, length, source.at + done),
      readSync(target, b, 0, length, done),
    );
    if (read === 0) break;
    if (!a.subarray(0, read).equals(b.subarray(0, read))) {
      for (let at = 0; at < read; at++) if (a[at] !== b[at]) return done + at;
    }
    done += read;
  }
  return done;
}
