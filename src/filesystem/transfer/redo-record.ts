// A record of a file that is being written in place, beside its new content: if the agent is killed in the middle of the
// copy, the next one completes it (complete-redo.ts). The record is locked while its agent lives. It says where the new
// content is:
//
//   small content:  /var/tmp/.holdfast-redo-ID   {"path",…}\n CONTENT
//   a spool file:   /var/tmp/.holdfast-redo-ID   {"path",…,"content":"DIRECTORY/.holdfast-redo-ID-content"}\n
//
// The record is complete before the first byte of the file changes; an incomplete one is of a copy that was not begun.

import { closeSync, constants, fstatSync, fsyncSync, openSync, readlinkSync, unlinkSync } from "node:fs";
import { kernelRandomUuid, linkNameless, lockFile } from "../../linux/index.ts";
import { errnoOf } from "../file-error.ts";
import { type CompleteContent, isOneWrite, writeAll } from "./copy-in.ts";
import { SHARED_DIRECTORIES, type Spool } from "./spool.ts";

export const REDO_PREFIX = ".holdfast-redo-";
export const REDO_CONTENT_SUFFIX = "-content";
const MODE = 0o600;
/** The first line of a record. Paths are base64: names are bytes. */
export interface RedoHeader {
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  readonly bytes: number;
  /** The size of the file before; records of older agents have none. */
  readonly oldBytes?: number;
  readonly mode?: number;
  /** Undefined if the content follows the line. */
  readonly content?: string;
}

export interface RedoRequest {
  /** The open file. */
  readonly target: number;
  readonly content: CompleteContent;
  readonly spool: Spool | undefined;
  readonly mode: number | undefined;
  readonly isSynced: boolean;
}

export interface Redo {
  /** The file is complete, or its copy failed. */
  remove(): void;
}

/** Undefined if none is needed, or if there is no place for it: then a killed agent leaves a mixed file. */
export function writeRedo(request: RedoRequest): Redo | undefined {
  const { target, content } = request;
  const { size } = fstatSync(target);
  if (isOneWrite(content, size)) return undefined;
  for (const directory of SHARED_DIRECTORIES) {
    const redo = writeIn(directory, request);
    if (redo !== undefined) return redo;
  }
  return undefined;
}

function writeIn(directory: string, request: RedoRequest): Redo | undefined {
  const id = kernelRandomUuid();
  const record = `${directory}/${REDO_PREFIX}${id}`;
  const { spool, content, isSynced } = request;
  const contentPath =
    content.kind === "memory" || spool === undefined
      ? undefined
      : `${spool.directory}/${REDO_PREFIX}${id}${REDO_CONTENT_SUFFIX}`;
  let fd: number | undefined;
  try {
    fd = openSync(record, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, MODE);
    // Before it has content: another agent that starts now takes it for one that was not begun.
    if (!lockFile(fd)) throw new Error("locked by another agent");
    const header = Buffer.from(`${JSON.stringify(headerOf(request, contentPath))}\n`);
    writeAll(fd, header, 0, Buffer.from(record));
    if (content.kind === "memory") writeAll(fd, content.data, header.length, Buffer.from(record));
    else if (contentPath === undefined || linkNameless(content.fd, Buffer.from(contentPath)) !== 0)
      throw new Error("the content has no name");
    if (isSynced) {
      fsyncSync(fd);
      if (content.kind === "spool") fsyncSync(content.fd);
    }
    return removable(fd, record, contentPath);
  } catch {
    // No space, no right, or no nameless files: the upload itself may still be possible.
    if (fd !== undefined) removable(fd, record, contentPath).remove();
    return undefined;
  }
}

function headerOf({ target, content, mode }: RedoRequest, contentPath: string | undefined): RedoHeader {
  const { dev, ino, size } = fstatSync(target, { bigint: true });
  return {
    path: readlinkSync(`/proc/self/fd/${target}`, "buffer").toString("base64"),
    dev: String(dev),
    ino: String(ino),
    bytes: content.bytes,
    oldBytes: Number(size),
    ...(mode === undefined ? {} : { mode }),
    ...(contentPath === undefined ? {} : { content: Buffer.from(contentPath).toString("base64") }),
  };
}

function removable(fd: number, record: string, contentPath: string | undefined): Redo {
  return {
    remove: () => {
      // The record last: it names its content, and without it is one that was not begun.
      if (contentPath !== undefined) removeIfThere(contentPath);
      removeIfThere(record);
      closeSync(fd);
    },
  };
}

export function removeIfThere(path: string | Uint8Array): void {
  try {
    unlinkSync(typeof path === "string" ? path : Buffer.from(path));
  } catch (error) {
    // Gone already, or the directory was made read-only: the next start tries again.
    if (errnoOf(error) === undefined) throw error;
  }
}
