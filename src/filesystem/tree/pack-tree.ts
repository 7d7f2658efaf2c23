// A directory tree as a tar archive, in pieces: with modes, owners, times, symbolic and hard links, and holes. Holds one
// directory's entries for each level, and pieces of one file.

import { isUtf8 } from "node:buffer";
import { pack as createPack, type Header, type Pack } from "tar-stream";
import { deferred } from "../../deferred.ts";
import type { UserFiles } from "../file-access.ts";
import { closeFile, readAt } from "../transfer/file-io.ts";
import type { PathFilter } from "./path-filter.ts";
import type { TreeEntry, TreeFile } from "./read-tree.ts";
import { encodeMap } from "./sparse-map.ts";

/** A file up to this size is read in one call. */
const INLINE_BYTES = 64 * 1024;

export interface PackProgress {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** Sockets, FIFOs, devices, names and targets of links that are not UTF-8, and what vanished meanwhile. */
  skipped: number;
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
    yield* pack as AsyncIterable<Buffer>;
    await walking;
  } finally {
    pack.destroy();
  }
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
    const { files, root, isExcluded, progress, signal } = this.#request;
    const name = path.length === 0 ? "." : path.toString();
    const entries = await files.call("readTreeFolder", [root.fd, path], { signal });
    if (entries === undefined) {
      progress.skipped++;
      return;
    }
    await this.#add({ ...headerOf(folder, `${name}/`), type: "directory" });
    progress.directories++;
    for (const entry of entries) {
      const bytes = Buffer.from(entry.name);
      const below = path.length === 0 ? bytes : Buffer.concat([path, Buffer.from("/"), bytes]);
      if (!isUtf8(below) || entry.kind === "other") progress.skipped++;
      else if (isExcluded(below.toString())) continue;
      else if (entry.kind === "directory") await this.walk(entry, below);
      else if (entry.kind === "symlink") await this.#addLink(entry, below.toString());
      else await this.#addFile(entry, below);
    }
  }

  async #addLink(entry: TreeEntry, name: string): Promise<void> {
    const target = Buffer.from(entry.target ?? []);
    if (!isUtf8(target)) {
      this.#request.progress.skipped++;
      return;
    }
    const linkname = target.toString();
    await this.#add({ ...headerOf(entry, name), type: "symlink", linkname });
    this.#request.progress.links++;
  }

  async #addFile(entry: TreeEntry, path: Buffer): Promise<void> {
    const { files, root, progress, signal } = this.#request;
    const name = path.toString();
    const first = entry.linked === undefined ? undefined : this.#linked.get(entry.linked);
    if (first !== undefined) {
      await this.#add({ ...headerOf(entry, name), type: "link", linkname: first });
      progress.links++;
      return;
    }
    const file = await files.call("openTreeFile", [root.fd, path, INLINE_BYTES], { signal });
    if (file === undefined) {
      progress.skipped++;
      return;
    }
    const header = { ...headerOf(entry, name), size: file.bytes, type: "file" } as const;
    if (file.content !== undefined) await this.#add(header, Buffer.from(file.content));
    else await this.#addLarge(header, file).finally(() => closeFile(file.fd));
    if (entry.linked !== undefined) this.#linked.set(entry.linked, name);
    progress.files++;
    progress.bytes += file.bytes;
  }

  async #addLarge(header: EntryHeader, { fd, bytes, extents }: TreeFile): Promise<void> {
    const map = extents === undefined ? undefined : encodeMap(extents, bytes);
    const parts = extents ?? [{ start: 0, end: bytes }];
    const size = parts.reduce((sum, { start, end }) => sum + end - start, map?.length ?? 0);
    const sent = this.#begin(map === undefined ? header : sparseHeader(header, size));
    if (map !== undefined) await sent.write(map);
    for (const { start, end } of parts) {
      for (let at = start; at < end; ) {
        this.#request.signal.throwIfAborted();
        const piece = Buffer.alloc(Math.min(this.#request.bufferBytes, end - at));
        // A file that became shorter meanwhile is padded with zeros: its length is in the archive already.
        await readAt(fd, piece, at);
        await sent.write(piece);
        at += piece.length;
      }
    }
    await sent.end();
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
