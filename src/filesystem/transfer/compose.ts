// Joins files into one and removes them: the end of an upload in parallel parts. Runs on a file thread.

import { closeSync, constants, fstatSync, lstatSync, unlinkSync } from "node:fs";
import { nameOf } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { errnoOf, FileError, pathError, pathText } from "../file-error.ts";
import { atPlace } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { copyAll } from "./copy-in.ts";
import { type PlacedFile, type PlaceRequest, place } from "./place.ts";
import { openSpool } from "./spool.ts";
import { assertFileName, openFileTarget, parentOf, withFileTarget } from "./target.ts";

export interface ComposeRequest
  extends Omit<PlaceRequest, "content" | "spool" | "isAtomic" | "path" | "following"> {
  /** In the order of the content. Each is a different file. */
  readonly sources: readonly Uint8Array[];
  readonly destination: Uint8Array;
}

export interface ComposedFile extends PlacedFile {
  /** Sources that could not be removed. */
  readonly remaining: readonly Uint8Array[];
}

/** Nothing changes until the whole content is there; the sources are removed last. */
export function compose(context: OperationContext, request: ComposeRequest): ComposedFile {
  const destination = Buffer.from(request.destination);
  assertFileName(destination);
  const opened: number[] = [];
  try {
    for (const path of request.sources) opened.push(openSource(path));
    assertDifferent(request, opened);
    const spool = openSpool(parentOf(destination));
    opened.push(spool.fd);
    let bytes = 0;
    for (const [index, path] of request.sources.entries()) {
      const from = opened[index] ?? -1;
      const { size } = fstatSync(from);
      copyAll(context, { from, fromAt: 0, to: spool.fd, toAt: bytes, bytes: size }, path);
      bytes += size;
    }
    const content = { kind: "spool", bytes, fd: spool.fd } as const;
    const placed = place(context, {
      ...request,
      path: destination,
      content,
      spool,
      following: "all",
      isAtomic: true,
    });
    const remaining = request.sources.filter((path, index) => !remove(path, opened[index] ?? -1));
    return { ...placed, remaining };
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function openSource(path: Uint8Array): number {
  try {
    return openFileTarget(Buffer.from(path), constants.O_RDONLY);
  } catch (error) {
    const errno = error instanceof FileError ? undefined : errnoOf(error);
    if (errno === undefined) throw error;
    if (nameOf(errno) === "ENXIO")
      throw new FileError("invalid_argument", `path '${clip(pathText(path))}' is not a regular file`);
    throw pathError("read", path, errno);
  }
}

/** By device and inode: two texts can name one file, which would be removed as a source after it was written. */
function assertDifferent({ sources, destination }: ComposeRequest, opened: readonly number[]): void {
  const names = new Map<string, Uint8Array>();
  for (const [index, path] of sources.entries()) {
    const { dev, ino } = fstatSync(opened[index] ?? -1, { bigint: true });
    const key = `${dev}-${ino}`;
    const other = names.get(key);
    if (other !== undefined)
      throw new FileError(
        "invalid_argument",
        `"${pathText(other)}" and "${pathText(path)}" are one file; name each source once`,
      );
    names.set(key, path);
  }
  const same = existing(destination);
  if (same !== undefined && names.has(same))
    throw new FileError("invalid_argument", `"${pathText(destination)}" is the destination and a source`);
}

function existing(path: Uint8Array): string | undefined {
  try {
    return withFileTarget(Buffer.from(path), "all", (_fd, { dev, ino }) => `${dev}-${ino}`);
  } catch {
    // It does not exist, or placing it reports why it cannot be written.
    return undefined;
  }
}

/** Only if the path still names the file that was read, or a link to it. */
function remove(path: Uint8Array, source: number): boolean {
  try {
    const { dev, ino } = fstatSync(source, { bigint: true });
    return atPlace(path, (place) => {
      const now = lstatSync(place.path, { bigint: true });
      if (!now.isSymbolicLink() && (now.dev !== dev || now.ino !== ino)) return false;
      unlinkSync(place.path);
      return true;
    });
  } catch {
    // Named in the answer.
    return false;
  }
}
