// Unpacks a tar archive that arrives in pieces. Small entries are created many at a time, while the next ones are read. A large
// or sparse file goes to a nameless file first and appears when it is complete.

import { HoldfastError } from "../../errors.ts";
import { clip } from "../../text.ts";
import type { UserFiles } from "../file-access.ts";
import type { Owner } from "../threads/basic-operations.ts";
import { closeFile, truncateFile, writeAllAt } from "../transfer/file-io.ts";
import { type ArchiveEntry, ArchiveReader } from "./archive-reader.ts";
import { canLeadOut, entryPath } from "./entry-path.ts";
import type { PathFilter } from "./path-filter.ts";
import { noteSkipped, type SkippedEntries } from "./skipped-entries.ts";
import type { EntryAttributes, UnpackStep } from "./unpack-entries.ts";

/** The treatment of symbolic links that can lead out of the directory. */
export type OutwardLinks = "refuse" | "skip" | "keep";

export interface UnpackProgress extends SkippedEntries {
  files: number;
  directories: number;
  links: number;
  bytes: number;
}

export interface UnpackRequest {
  readonly files: UserFiles;
  readonly root: number;
  readonly archive: AsyncIterable<Uint8Array>;
  readonly isExcluded: PathFilter;
  /** The owner of new entries; "archive": as the archive says. */
  readonly owner: Owner | "archive" | undefined;
  readonly outwardLinks: OutwardLinks;
  readonly progress: UnpackProgress;
  /** Two batches of small entries, or a piece of a large one. */
  readonly bufferBytes: number;
  /** Where large files are spooled. */
  readonly directory: Buffer;
}

const MAX_BATCH = 256;
const ROOM_BYTES = 32 * 1024;
/** Of the directories whose mode and time are set at the end. */
const MAX_DIRECTORIES = 200_000;

/**
 * Rejects with `invalid_argument` for an archive that is malformed or refused, and with the errors of the source. Entries that
 * were unpacked before stay.
 */
export async function unpackTree(request: UnpackRequest): Promise<void> {
  const reader = new ArchiveReader(request.archive);
  const unpacking = new Unpacking(request, reader);
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next())
      await unpacking.take(entry);
    await unpacking.finish();
  } catch (error) {
    await unpacking.flush().catch(() => {
      // The first failure is reported.
    });
    throw error;
  } finally {
    await reader.close();
  }
}

class Unpacking {
  readonly #request: UnpackRequest;
  readonly #reader: ArchiveReader;
  /** Two batches exist at a time, and each also on its way to the thread. */
  readonly #maxBatchBytes: number;
  #batch: UnpackStep[] = [];
  #batchBytes = 0;
  readonly #room = new ContentRoom();
  /** The batch that is being unpacked while the next one is read. Never rejects. */
  #running: Promise<{ readonly error: unknown } | undefined> = Promise.resolve(undefined);
  readonly #directories: (UnpackStep & { kind: "finished" })[] = [];

  constructor(request: UnpackRequest, reader: ArchiveReader) {
    this.#request = request;
    this.#reader = reader;
    this.#maxBatchBytes = request.bufferBytes / 2;
  }

  async take(entry: ArchiveEntry): Promise<void> {
    const { name, kind } = entry;
    if (!entry.isNameUtf8) return this.#noteSkipped(name, "its name is not UTF-8");
    if ((kind === "symlink" || kind === "link") && !entry.isTargetUtf8)
      return this.#noteSkipped(name, "the target of the link is not UTF-8");
    const path = entryPath(name);
    if (path !== "" && isBelowExcluded(path, this.#request.isExcluded)) return;
    const attributes = this.#attributes(entry);
    switch (kind) {
      case "directory":
        return await this.#addDirectory(path, attributes);
      case "file":
        if (path === "") throw refused(name, "names the directory itself");
        return await this.#addFile(path, entry, attributes);
      case "symlink":
        return await this.#addSymlink(path, targetOf(entry), attributes);
      case "link":
        return await this.#add({ kind: "link", path, to: entryPath(targetOf(entry)) });
      default:
        return this.#noteSkipped(name, entry.description);
    }
  }

  /** Directories last: entries that are created in them change their times. */
  async finish(): Promise<void> {
    await this.flush();
    this.#batch = this.#directories.reverse();
    while (this.#batch.length > MAX_BATCH) await this.#run(this.#batch.splice(0, MAX_BATCH));
    await this.flush();
  }

  async #addDirectory(path: string, attributes: EntryAttributes): Promise<void> {
    if (this.#directories.length >= MAX_DIRECTORIES)
      throw refused(path, `is one directory more than the limit of ${MAX_DIRECTORIES}`);
    this.#directories.push({ kind: "finished", path, ...attributes });
    await this.#add({ kind: "directory", path, ...attributes });
  }

  async #addSymlink(path: string, target: string, attributes: EntryAttributes): Promise<void> {
    const { outwardLinks } = this.#request;
    if (outwardLinks !== "keep" && canLeadOut(path, target)) {
      const problem = `is a link to "${clip(target)}", which can lead out of the directory`;
      if (outwardLinks === "refuse") throw refused(path, `${problem}; use links=skip or links=keep`);
      return this.#noteSkipped(path, problem);
    }
    await this.#add({ kind: "symlink", path, target, ...attributes });
  }

  async #addFile(path: string, entry: ArchiveEntry, attributes: EntryAttributes): Promise<void> {
    const { size, sparse } = entry;
    if (sparse !== undefined || size > this.#maxBatchBytes)
      return await this.#addLarge(path, entry, attributes);
    if (this.#batchBytes + size > this.#maxBatchBytes) await this.#startBatch();
    const content = this.#room.take(size);
    await this.#reader.readInto(content);
    await this.#add({ kind: "file", path, content, ...attributes }, size);
  }

  async #addLarge(path: string, { size, sparse }: ArchiveEntry, attributes: EntryAttributes): Promise<void> {
    await this.flush();
    const { files, directory } = this.#request;
    const spool = await files.call("openSpool", [directory]);
    try {
      const bounds = sparse ?? (size === 0 ? [] : [0, size]);
      for (let index = 0; index < bounds.length; index += 2)
        await this.#writePart(spool.fd, bounds[index] ?? 0, bounds[index + 1] ?? 0);
      await truncateFile(spool.fd, size);
      const { fd, isLinkable } = spool;
      await this.#run([{ kind: "spooled", path, fd, isLinkable, bytes: size, ...attributes }]);
    } finally {
      await closeFile(spool.fd);
    }
  }

  /** In pieces of about the size of a buffer: an archive arrives in small ones. */
  async #writePart(fd: number, start: number, end: number): Promise<void> {
    for (let at = start; at < end; ) {
      const limit = Math.min(end - at, this.#request.bufferBytes);
      const pieces: Buffer[] = [];
      let held = 0;
      while (held < limit) {
        const piece = await this.#reader.read(limit - held);
        pieces.push(piece);
        held += piece.length;
      }
      await writeAllAt(fd, pieces, at);
      at += held;
    }
  }

  #attributes({ mode, mtimeMs, uid, gid }: ArchiveEntry): EntryAttributes {
    const { owner } = this.#request;
    const isArchive = owner === "archive";
    return {
      // Set-id bits only together with the owner that they mean.
      mode: mode & (isArchive ? 0o7777 : 0o777),
      mtimeMs,
      owner: isArchive ? { uid, gid } : owner,
    };
  }

  async #add(step: UnpackStep, bytes = 0): Promise<void> {
    this.#batch.push(step);
    this.#batchBytes += bytes;
    if (this.#batch.length >= MAX_BATCH) await this.#startBatch();
  }

  /** Unpacks the entries that are complete. */
  async flush(): Promise<void> {
    await this.#startBatch();
    await this.#ran();
  }

  /** After the batch before has ended. */
  async #startBatch(): Promise<void> {
    const steps = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#room.renew();
    await this.#ran();
    if (steps.length === 0) return;
    this.#running = this.#run(steps).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
  }

  async #ran(): Promise<void> {
    const failure = await this.#running;
    if (failure === undefined) return;
    this.#running = Promise.resolve(undefined);
    throw failure.error;
  }

  /** Counts what is unpacked, also if a later step fails. */
  async #run(steps: readonly UnpackStep[]): Promise<void> {
    const { files, root, progress } = this.#request;
    let done = steps.length;
    const onPart = (part: unknown) => {
      done = part as number;
    };
    try {
      await files.call("unpackEntries", [root, steps], { onPart });
    } catch (error) {
      // Without a part, it was not begun.
      if (done === steps.length) done = 0;
      throw error;
    } finally {
      for (const step of steps.slice(0, done)) countStep(progress, step);
    }
  }

  #noteSkipped(name: string, reason: string): void {
    noteSkipped(this.#request.progress, name, reason);
  }
}

function countStep(progress: UnpackProgress, step: UnpackStep): void {
  if (step.kind === "directory") progress.directories++;
  else if (step.kind === "symlink" || step.kind === "link") progress.links++;
  else if (step.kind !== "finished") {
    progress.files++;
    progress.bytes += step.kind === "file" ? step.content.length : step.bytes;
  }
}

/** Room for the content of small files, in pieces that are sent to a thread as a whole. */
class ContentRoom {
  #room = Buffer.alloc(0);

  take(bytes: number): Buffer {
    if (bytes > this.#room.length) this.#room = Buffer.allocUnsafeSlow(Math.max(bytes, ROOM_BYTES));
    const taken = this.#room.subarray(0, bytes);
    this.#room = this.#room.subarray(bytes);
    return taken;
  }

  /** What follows goes to the thread with a later message. */
  renew(): void {
    this.#room = Buffer.alloc(0);
  }
}

function targetOf({ name, target }: ArchiveEntry): string {
  if (target === "" || target.includes("\0"))
    throw refused(name, "is a link without a target, or its target contains a NUL character");
  return target;
}

function isBelowExcluded(path: string, isExcluded: PathFilter): boolean {
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1))
    if (isExcluded(path.slice(0, end))) return true;
  return isExcluded(path);
}

function refused(name: string, problem: string): HoldfastError {
  return new HoldfastError("invalid_argument", `"${clip(name)}" in the archive ${problem}`);
}
