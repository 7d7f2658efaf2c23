// Unpacks a tar archive that arrives in pieces. Small entries are created many at a time. A large file goes to a nameless
// file first and appears when it is complete.

import { extract as createExtract, type Header } from "tar-stream";
import { HoldfastError } from "../../errors.ts";
import { clip, messageOf } from "../../text.ts";
import type { UserFiles } from "../file-access.ts";
import type { Owner } from "../threads/basic-operations.ts";
import { closeFile, truncateFile, writeAllAt } from "../transfer/file-io.ts";
import { canLeadOut, entryPath } from "./entry-path.ts";
import type { PathFilter } from "./path-filter.ts";
import { parseMap } from "./sparse-map.ts";
import type { EntryAttributes, UnpackStep } from "./unpack-entries.ts";

/** The treatment of symbolic links that can lead out of the directory. */
export type OutwardLinks = "refuse" | "skip" | "keep";

export interface UnpackProgress {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** The first ones that were not unpacked, with the reason. */
  readonly skipped: { readonly name: string; readonly reason: string }[];
  skippedCount: number;
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
  /** A batch of small entries, and a piece of a large one. */
  readonly bufferBytes: number;
  /** Where large files are spooled. */
  readonly directory: Buffer;
}

const MAX_BATCH = 256;
const MAX_SKIPPED_NAMES = 100;
/** Of the directories whose mode and time are set at the end. */
const MAX_DIRECTORIES = 200_000;

/**
 * Rejects with `invalid_argument` for an archive that is malformed or refused. Entries that were
 * unpacked before stay.
 */
export async function unpackTree(request: UnpackRequest): Promise<void> {
  const extract = createExtract();
  extract.on("error", reportedByReading);
  let failure: { readonly error: unknown } | undefined;
  const feed = async () => {
    for await (const piece of request.archive) {
      if (extract.destroying || extract.destroyed) return;
      if (!extract.write(piece))
        await new Promise<void>((resolve) => {
          const proceed = () => {
            extract.removeListener("drain", proceed);
            extract.removeListener("close", proceed);
            resolve();
          };
          extract.on("drain", proceed);
          extract.on("close", proceed);
        });
    }
    extract.end(undefined);
  };
  const feeding = feed().catch((error: unknown) => {
    failure ??= { error };
    // With an error: without one, tar-stream's iteration never ends if the stream closes while an entry is unpacked.
    extract.destroy(new Error("the archive cannot be read to its end"));
  });
  const unpacking = new Unpacking(request);
  try {
    for await (const entry of extract) {
      entry.on("error", reportedByReading);
      await unpacking.take(entry.header, entry as AsyncIterable<Buffer>);
    }
    await feeding;
    if (failure !== undefined) throw failure.error;
    await unpacking.finish();
  } catch (error) {
    extract.destroy();
    await unpacking.flush().catch(() => {
      // The first failure is reported.
    });
    if (failure !== undefined) throw failure.error;
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError("invalid_argument", `the body is not a valid tar archive: ${messageOf(error)}`);
  }
}

/** An error of a stream would end the agent if nothing listened. */
function reportedByReading(): void {
  // The loop that reads the stream throws it.
}

class Unpacking {
  readonly #request: UnpackRequest;
  #batch: UnpackStep[] = [];
  #batchBytes = 0;
  readonly #directories: (UnpackStep & { kind: "finished" })[] = [];

  constructor(request: UnpackRequest) {
    this.#request = request;
  }

  async take(header: Header, content: AsyncIterable<Buffer>): Promise<void> {
    const pax = (header.pax ?? {}) as Readonly<Record<string, string>>;
    const name = pax["GNU.sparse.name"] ?? header.name;
    const skip = async (reason: string | undefined) => {
      if (reason !== undefined) this.#noteSkipped(name, reason);
      for await (const _ of content);
    };
    if (name.includes("\ufffd")) return await skip("its name is not UTF-8");
    if (header.linkname?.includes("\ufffd")) return await skip("the target of the link is not UTF-8");
    const path = entryPath(name);
    if (path !== "" && isBelowExcluded(path, this.#request.isExcluded)) return await skip(undefined);
    const attributes = this.#attributes(header, pax);
    switch (header.type) {
      case "directory":
        await skip(undefined);
        return await this.#addDirectory(path, attributes);
      case "file":
      case "contiguous-file":
        if (path === "") throw refused(name, "names the directory itself");
        return await this.#addFile(path, header.size, pax, attributes, content);
      case "symlink":
        await skip(undefined);
        return await this.#addSymlink(path, targetOf(name, header), attributes);
      case "link":
        await skip(undefined);
        return await this.#add({ kind: "link", path, to: entryPath(targetOf(name, header)) });
      default:
        return await skip(header.type === null ? "its kind is not known" : `it is a ${String(header.type)}`);
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

  async #addFile(
    path: string,
    size: number,
    pax: Readonly<Record<string, string>>,
    attributes: EntryAttributes,
    content: AsyncIterable<Buffer>,
  ): Promise<void> {
    const { bufferBytes } = this.#request;
    const isSparse = pax["GNU.sparse.major"] === "1" && pax["GNU.sparse.minor"] === "0";
    if (!isSparse && Object.keys(pax).some((key) => key.startsWith("GNU.sparse.")))
      throw refused(path, "is a sparse file of an old format; create the archive with --sparse-version=1.0");
    const realSize = isSparse ? Number(pax["GNU.sparse.realsize"] ?? Number.NaN) : size;
    if (!Number.isSafeInteger(realSize) || realSize < 0) throw refused(path, "has no valid size");
    if (isSparse || size > bufferBytes) await this.#addLarge(path, isSparse, realSize, attributes, content);
    else {
      const pieces: Buffer[] = [];
      for await (const piece of content) pieces.push(piece);
      await this.#add({ kind: "file", path, content: Buffer.concat(pieces), ...attributes }, size);
    }
  }

  async #addLarge(
    path: string,
    isSparse: boolean,
    size: number,
    attributes: EntryAttributes,
    content: AsyncIterable<Buffer>,
  ): Promise<void> {
    await this.flush();
    const { files, directory } = this.#request;
    const spool = await files.call("openSpool", [directory]);
    try {
      const write = (chunks: readonly Buffer[], position: number) => writeAllAt(spool.fd, chunks, position);
      const pieces = gathered(content, this.#request.bufferBytes);
      if (isSparse) await writeSparse(pieces, size, write);
      else {
        let at = 0;
        for await (const piece of pieces) {
          await write([piece], at);
          at += piece.length;
        }
      }
      await truncateFile(spool.fd, size);
      const { fd, isLinkable } = spool;
      await this.#run([{ kind: "spooled", path, fd, isLinkable, bytes: size, ...attributes }]);
    } finally {
      await closeFile(spool.fd);
    }
  }

  /** Numbers of pax are those that the header has no room for. */
  #attributes({ mode, mtime, ...header }: Header, pax: Readonly<Record<string, string>>): EntryAttributes {
    const { owner } = this.#request;
    const isArchive = owner === "archive";
    const uid = numberIn(pax, "uid") ?? header.uid;
    const gid = numberIn(pax, "gid") ?? header.gid;
    const seconds = numberIn(pax, "mtime");
    return {
      // Set-id bits only together with the owner that they mean.
      mode: (mode ?? 0o644) & (isArchive ? 0o7777 : 0o777),
      mtimeMs: seconds === undefined ? (mtime?.getTime() ?? Date.now()) : seconds * 1000,
      owner: isArchive ? { uid: uid ?? 0, gid: gid ?? 0 } : owner,
    };
  }

  async #add(step: UnpackStep, bytes = 0): Promise<void> {
    this.#batch.push(step);
    this.#batchBytes += bytes;
    if (this.#batch.length >= MAX_BATCH || this.#batchBytes >= this.#request.bufferBytes) await this.flush();
  }

  /** Unpacks the entries that are complete. */
  async flush(): Promise<void> {
    const steps = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (steps.length > 0) await this.#run(steps);
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
    const { progress } = this.#request;
    progress.skippedCount++;
    if (progress.skipped.length < MAX_SKIPPED_NAMES) progress.skipped.push({ name: clip(name), reason });
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

/** Undefined without it, and for something else than a number. */
function numberIn(pax: Readonly<Record<string, string>>, key: string): number | undefined {
  const text = pax[key] ?? "";
  return /^-?\d{1,15}(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function targetOf(name: string, { linkname }: Header): string {
  if (linkname === null || linkname === undefined || linkname === "" || linkname.includes("\0"))
    throw refused(name, "is a link without a target, or its target contains a NUL character");
  return linkname;
}

/** Pieces of about `bytes`: an archive arrives in small ones. */
async function* gathered(content: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer, void, void> {
  let pieces: Buffer[] = [];
  let held = 0;
  for await (const piece of content) {
    pieces.push(piece);
    held += piece.length;
    if (held < bytes) continue;
    yield Buffer.concat(pieces);
    pieces = [];
    held = 0;
  }
  if (held > 0) yield Buffer.concat(pieces);
}

async function writeSparse(
  pieces: AsyncIterable<Buffer>,
  size: number,
  write: (chunks: readonly Buffer[], position: number) => Promise<void>,
): Promise<void> {
  let beginning = Buffer.alloc(0);
  let map: ReturnType<typeof parseMap>;
  let index = 0;
  let used = 0;
  for await (const piece of pieces) {
    let data = piece;
    if (map === undefined) {
      beginning = Buffer.concat([beginning, piece]);
      map = parseMap(beginning, size);
      if (map === undefined) continue;
      data = beginning.subarray(map.mapBytes);
    }
    while (data.length > 0) {
      const extent = map.extents[index];
      if (extent === undefined)
        throw new HoldfastError("invalid_argument", "the archive has more data than its map");
      const length = Math.min(data.length, extent.end - extent.start - used);
      if (length > 0) await write([data.subarray(0, length)], extent.start + used);
      data = data.subarray(length);
      used += length;
      if (used < extent.end - extent.start) continue;
      index++;
      used = 0;
    }
  }
  if (map === undefined)
    throw new HoldfastError("invalid_argument", "the archive ends within the map of a sparse file");
}

function isBelowExcluded(path: string, isExcluded: PathFilter): boolean {
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1))
    if (isExcluded(path.slice(0, end))) return true;
  return isExcluded(path);
}

function refused(name: string, problem: string): HoldfastError {
  return new HoldfastError("invalid_argument", `"${clip(name)}" in the archive ${problem}`);
}
