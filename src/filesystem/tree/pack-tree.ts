// A directory tree as a tar archive, in pieces: with modes, owners, times, symbolic and hard links, and holes. Holds one
// directory's entries for each level, and pieces of one file.

import { isUtf8 } from "node:buffer";
import { pack as createPack, type Header, type Pack } from "tar-stream";
import { deferred } from "../../deferred.ts";
import type { UserFiles } from "../file-access.ts";
import { closeFile, readAt } from "../transfer/file-io.ts";
import type { PathFilter } from "./path-filter.ts";
import type { TreeEntry, TreeFile } from "./read-tree.ts";
import { noteSkipped, REMOVED, reasonOf, type SkippedEntries } from "./skipped-entries.ts";
import { encodeMap } from "./sparse-map.ts";

/** A file up to this size is read together with others. */
const INLINE_BYTES = 64 * 1024;
/** Files that are read in one call. */
const MAX_BATCH = 256;
const GATHERED_BYTES = 64 * 1024;

/**
 * Skipped are sockets, FIFOs, devices, names and targets of links that are not UTF-8, and what vanished meanwhile or cannot be
 * read; also files of which a part is missing.
 */
export interface PackProgress extends SkippedEntries {
  files: number;
  directories: number;
  links: number;
  bytes: number;
}

export interface PackRequest {
  readonly files: UserFiles;
  readonly root: { readonly fd: number; readonly entry: TreeEntry };
  readonly isExcluded: PathFilter;
  /** Filled while the archive is read. */
  readonly progress: PackProgress;
  readonly bufferBytes: number;
  readonly signal: AbortSignal;
}

type EntryHeader = Partial<Header> &
  Pick<Header, "name"> & { readonly pax?: Readonly<Record<string, string>> };

export async function* packTree(request: PackRequest): AsyncGenerator<Uint8Array, void, void> {
  const pack = createPack();
  pack.on("error", reportedElsewhere);
  const walking = new Packing(request, pack)
    .walk(request.root.entry, Buffer.alloc(0))
    .then(() => pack.finalize())
    .catch((error: unknown) => pack.destroy(error as Error));
  try {
    yield* gathered(pack as AsyncIterable<Buffer>, Math.min(request.bufferBytes, GATHERED_BYTES));
    await walking;
  } finally {
    pack.destroy();
  }
}

/** Pieces of at least `bytes`: an archive of small files is made of very small ones, and each costs a system call. */
async function* gathered(pieces: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer, void, void> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const piece of pieces) {
    held.push(piece);
    heldBytes += piece.length;
    if (heldBytes < bytes) continue;
    yield held.length === 1 ? piece : Buffer.concat(held);
    held = [];
    heldBytes = 0;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

class Packing {
  readonly #request: PackRequest;
  readonly #pack: Pack;
  /** The first name of each file with several names. */
  readonly #linked = new Map<string, string>();

  constructor(request: PackRequest, pack: Pack) {
    this.#request = request;
    this.#pack = pack;
  }

  async walk(folder: TreeEntry, path: Buffer): Promise<void> {
    const { isExcluded, progress } = this.#request;
    const name = path.length === 0 ? "." : path.toString();
    const entries = await this.#entriesIn(path, name);
    if (entries === undefined) return;
    await this.#add({ ...headerOf(folder, `${name}/`), type: "directory" });
    progress.directories++;
    const run: NamedFile[] = [];
    for (const entry of entries) {
      const bytes = Buffer.from(entry.name);
      const below = path.length === 0 ? bytes : Buffer.concat([path, Buffer.from("/"), bytes]);
      if (!isUtf8(below)) this.#noteSkipped(below, "its name is not UTF-8");
      else if (isExcluded(below.toString())) continue;
      else if (entry.kind === "other") this.#noteSkipped(below, entry.description ?? "its kind is not known");
      else if (entry.kind === "file") run.push({ entry, name: below.toString() });
      else {
        await this.#addFiles(path, run.splice(0));
        if (entry.kind === "directory") await this.walk(entry, below);
        else await this.#addLink(entry, below.toString());
      }
    }
    await this.#addFiles(path, run);
  }

  /** Undefined if the directory cannot be read. */
  async #entriesIn(path: Buffer, name: string): Promise<readonly TreeEntry[] | undefined> {
    const { files, root, signal } = this.#request;
    try {
      const entries = await files.call("readTreeFolder", [root.fd, path], { signal });
      if (entries === undefined) this.#noteSkipped(name, REMOVED);
      return entries;
    } catch (error) {
      const reason = reasonOf(error);
      // If the root itself cannot be read, the request fails.
      if (reason === undefined || path.length === 0) throw error;
      this.#noteSkipped(name, reason);
      return undefined;
    }
  }

  #noteSkipped(name: Buffer | string, reason: string): void {
    noteSkipped(this.#request.progress, name.toString(), reason);
  }

  async #addLink(entry: TreeEntry, name: string): Promise<void> {
    const target = Buffer.from(entry.target ?? []);
    if (!isUtf8(target)) return this.#noteSkipped(name, "the target of the link is not UTF-8");
    const linkname = target.toString();
    await this.#add({ ...headerOf(entry, name), type: "symlink", linkname });
    this.#request.progress.links++;
  }

  /** Files that follow each other in one directory, many at a time. */
  async #addFiles(folder: Buffer, run: readonly NamedFile[]): Promise<void> {
    const { files, root, bufferBytes, signal } = this.#request;
    for (let at = 0; at < run.length; ) {
      const first = run[at];
      if (first === undefined) return;
      if (await this.#addLinked(first)) {
        at++;
        continue;
      }
      const names = this.#toRead(run, at).map(({ entry }) => entry.name);
      const request = { folder, names, inlineBytes: INLINE_BYTES, maxBytes: bufferBytes / 2 };
      const found = await files.call("openTreeFiles", [root.fd, request], { signal });
      for (const file of found) {
        const named = run[at++];
        if (named !== undefined) await this.#addFile(named, file);
      }
    }
  }

  /** From `at` on, up to what is a link to one that was added or is read with these. */
  #toRead(run: readonly NamedFile[], at: number): readonly NamedFile[] {
    const linked = new Set<string>();
    const end = run.findIndex(({ entry }, index) => {
      if (index < at) return false;
      if (index - at >= MAX_BATCH) return true;
      if (entry.linked === undefined) return false;
      if (this.#linked.has(entry.linked) || linked.has(entry.linked)) return true;
      linked.add(entry.linked);
      return false;
    });
    return run.slice(at, end < 0 ? run.length : end);
  }

  /** Returns false for the first name of a file. */
  async #addLinked({ entry, name }: NamedFile): Promise<boolean> {
    const first = entry.linked === undefined ? undefined : this.#linked.get(entry.linked);
    if (first === undefined) return false;
    await this.#add({ ...headerOf(entry, name), type: "link", linkname: first });
    this.#request.progress.links++;
    return true;
  }

  async #addFile({ entry, name }: NamedFile, file: TreeFile): Promise<void> {
    const { progress } = this.#request;
    if (file.kind === "missing") return this.#noteSkipped(name, file.reason);
    const bytes = file.kind === "content" ? file.content.length : file.bytes;
    const header = { ...headerOf(entry, name), size: bytes, type: "file" } as const;
    if (file.kind === "content") await this.#add(header, viewOf(file.content));
    else await this.#addLarge(header, file).finally(() => closeFile(file.fd));
    if (entry.linked !== undefined) this.#linked.set(entry.linked, name);
    progress.files++;
    progress.bytes += bytes;
  }

  async #addLarge(
    header: EntryHeader,
    { fd, bytes, extents }: TreeFile & { readonly kind: "open" },
  ): Promise<void> {
    const map = extents === undefined ? undefined : encodeMap(extents, bytes);
    const parts = extents ?? [{ start: 0, end: bytes }];
    const size = parts.reduce((sum, { start, end }) => sum + end - start, map?.length ?? 0);
    const sent = this.#begin(map === undefined ? header : sparseHeader(header, size));
    if (map !== undefined) await sent.write(map);
    // Its length is in the archive already: what cannot be read becomes zeros.
    let problem: string | undefined;
    for (const { start, end } of parts) {
      for (let at = start; at < end; ) {
        this.#request.signal.throwIfAborted();
        const piece = Buffer.alloc(Math.min(this.#request.bufferBytes, end - at));
        problem ??= await problemOfReading(fd, piece, at);
        await sent.write(piece);
        at += piece.length;
      }
    }
    await sent.end();
    if (problem !== undefined) this.#noteSkipped(header.name, `${problem}; the rest is zeros in the copy`);
  }

  #begin(header: EntryHeader): { write(piece: Buffer): Promise<void>; end(): Promise<void> } {
    const done = deferred<void>();
    const entry = this.#pack.entry(header, (error) => (error ? done.reject(error) : done.resolve(undefined)));
    entry.on("error", reportedElsewhere);
    // Of the present wait for room. Promise.race with `done` would keep all waits until the entry is complete.
    let room = deferred<void>();
    let isDone = false;
    entry.on("drain", () => room.resolve());
    done.promise.then(
      () => {
        isDone = true;
        room.resolve();
      },
      (error: unknown) => {
        isDone = true;
        room.promise.catch(reportedElsewhere);
        room.reject(error);
      },
    );
    return {
      write: (piece) => {
        if (entry.write(piece)) return Promise.resolve();
        if (isDone) return done.promise;
        room = deferred();
        return room.promise;
      },
      end: () => {
        entry.end(undefined);
        return done.promise;
      },
    };
  }

  #add(header: EntryHeader, content = Buffer.alloc(0)): Promise<void> {
    this.#request.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const entry = this.#pack.entry({ ...header, size: content.length }, content, (error) =>
        error ? reject(error) : resolve(),
      );
      entry.on("error", reportedElsewhere);
    });
  }
}

interface NamedFile {
  readonly entry: TreeEntry;
  /** With the path from the root. */
  readonly name: string;
}

/** As a Buffer, without a copy. */
function viewOf({ buffer, byteOffset, length }: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, length);
}

/** Undefined if the piece is complete. */
async function problemOfReading(fd: number, piece: Buffer, at: number): Promise<string | undefined> {
  try {
    const filled = await readAt(fd, piece, at);
    return filled === piece.length ? undefined : "it became shorter while it was read";
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    return `it cannot be read completely: ${reason}`;
  }
}

/** The fields of a header have six octal digits for an id, and tar-stream writes 31 bits of a time. */
const MAX_ID = 0o777777;
const MAX_SECONDS = 0x7fff_ffff;

/** Larger numbers are in a header of pax in addition. */
function headerOf({ mode, uid, gid, mtimeMs }: TreeEntry, name: string): EntryHeader {
  const seconds = Math.floor(mtimeMs / 1000);
  const shownSeconds = Math.min(Math.max(seconds, 0), MAX_SECONDS);
  const pax = {
    ...(uid > MAX_ID ? { uid: String(uid) } : {}),
    ...(gid > MAX_ID ? { gid: String(gid) } : {}),
    ...(seconds === shownSeconds ? {} : { mtime: String(seconds) }),
  };
  return {
    ...{ name, mode, mtime: new Date(shownSeconds * 1000) },
    ...{ uid: Math.min(uid, MAX_ID), gid: Math.min(gid, MAX_ID) },
    ...(Object.keys(pax).length === 0 ? {} : { pax }),
  };
}

function sparseHeader(header: EntryHeader, size: number): EntryHeader {
  const pax = {
    ...header.pax,
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": header.name,
    "GNU.sparse.realsize": String(header.size ?? 0),
  };
  return { ...header, name: `GNUSparseFile.0/${header.name}`, size, pax };
}

/** An archive that is given up ends its streams with an error, which would end the agent if nothing listened. */
function reportedElsewhere(): void {
  // The reader of the archive gets it.
}
