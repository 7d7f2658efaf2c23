// Reads a tar archive entry by entry: the formats of POSIX (ustar, pax), GNU and version 7, with long names and all formats
// of sparse files. Reads as slowly as its user takes the content, and holds one header with its records at a time.

import { isUtf8 } from "node:buffer";
import { ArchiveBytes } from "./archive-bytes.ts";
import {
  type ArchiveHeader,
  BLOCK_BYTES,
  decodeHeader,
  decodeRecords,
  malformedArchive,
  untilNul,
} from "./archive-header.ts";
import {
  decimal,
  MapLines,
  realSizeIn,
  type SparseMap,
  SparseParts,
  takeExtensionParts,
  takeHeaderParts,
  takeListedParts,
} from "./sparse-map.ts";

export type ArchiveEntryKind = "directory" | "file" | "symlink" | "link" | "other";

export interface ArchiveEntry {
  readonly kind: ArchiveEntryKind;
  /** For messages. */
  readonly name: string;
  readonly isNameUtf8: boolean;
  /** Of both kinds of links. */
  readonly target: string;
  readonly isTargetUtf8: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
  /** Of the file. */
  readonly size: number;
  /** Where the content belongs; undefined for a file without holes. */
  readonly sparse: SparseMap | undefined;
  /** What something of another kind is. */
  readonly description: string;
}

/** Longer names and records are refused: they are kept in memory. */
const MAX_EXTENDED_BYTES = 1024 * 1024;

const kinds = new Map<string, ArchiveEntryKind>([
  ...(["0", "7", "S"] as const).map((type) => [type, "file"] as const),
  ...[["1", "link"] as const, ["2", "symlink"] as const, ["5", "directory"] as const],
]);
const descriptions = new Map([
  ["3", "it is a character-device"],
  ["4", "it is a block-device"],
  ["6", "it is a fifo"],
  ["D", "it is a list of the files of an incremental backup"],
  ["M", "it is the rest of a file of another volume"],
  ["V", "it is the name of a volume"],
]);
/** Their size says nothing about the archive. */
const withoutContent = new Set(["2", "3", "4", "5", "6"]);

/** The records of pax that are used. */
const globalKeys = new Set(["uid", "gid", "mtime"]);
const keys = new Set([
  ...globalKeys,
  ...["path", "linkpath", "size"],
  ...["GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name"],
  ...["GNU.sparse.realsize", "GNU.sparse.size", "GNU.sparse.map"],
]);

/** Of a global record: others are no numbers. They are kept until the end. */
const MAX_GLOBAL_BYTES = 32;

/** What stands before the header of an entry. */
interface Extension {
  records: Map<string, Buffer>;
  longName?: Buffer;
  longLinkName?: Buffer;
  /** Of format 0.0: the parts of a sparse file, of which each is two records. */
  positions: { readonly key: string; readonly value: string }[];
}

export class ArchiveReader {
  readonly #bytes: ArchiveBytes;
  readonly #global = new Map<string, Buffer>();
  #contentBytes = 0;
  #paddingBytes = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#bytes = new ArchiveBytes(pieces);
  }

  /**
   * Skips what is left of the entry before. Undefined at the end. Throws `invalid_argument` for a malformed archive; errors
   * of the source are passed on unchanged.
   */
  async next(): Promise<ArchiveEntry | undefined> {
    await this.#skip(this.#contentBytes + this.#paddingBytes);
    this.#contentBytes = 0;
    this.#paddingBytes = 0;
    const extension: Extension = { records: new Map(), positions: [] };
    for (let isExtended = false; ; ) {
      const block = await this.#bytes.exactly(BLOCK_BYTES);
      if (block.length === 0 && !isExtended) return undefined;
      if (block.length < BLOCK_BYTES) throw cut();
      const header = decodeHeader(block);
      // The end of an archive, after which another one may follow.
      if (header === undefined) continue;
      if (!(await this.#extend(header, extension))) return await this.#entry(header, block, extension);
      isExtended = true;
    }
  }

  /** The next bytes of the content, at most `max`; empty at its end. They are valid until the next call. */
  async read(max: number): Promise<Buffer> {
    if (this.#contentBytes === 0) return Buffer.alloc(0);
    const bytes = await this.#bytes.some(Math.min(max, this.#contentBytes));
    if (bytes.length === 0) throw cut();
    this.#contentBytes -= bytes.length;
    return bytes;
  }

  /** Copies the content, which is as long as `into`. */
  async readInto(into: Buffer): Promise<void> {
    for (let at = 0; at < into.length; ) {
      const bytes = await this.read(into.length - at);
      at += bytes.copy(into, at);
    }
  }

  async close(): Promise<void> {
    await this.#bytes.close();
  }

  /** Returns false for the header of an entry. */
  async #extend({ type, size }: ArchiveHeader, extension: Extension): Promise<boolean> {
    if (type === "L") extension.longName = untilNul(await this.#extended(size));
    else if (type === "K") extension.longLinkName = untilNul(await this.#extended(size));
    else if (type === "x" || type === "X") {
      const records = new Map<string, Buffer>();
      const positions: Extension["positions"] = [];
      decodeRecords(await this.#extended(size), (key, value) => {
        if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes")
          positions.push({ key, value: value.toString("latin1") });
        else if (keys.has(key)) records.set(key, value);
      });
      Object.assign(extension, { records, positions });
    } else if (type === "g")
      decodeRecords(await this.#extended(size), (key, value) => {
        if (globalKeys.has(key) && value.length <= MAX_GLOBAL_BYTES)
          this.#global.set(key, Buffer.from(value));
      });
    else return false;
    return true;
  }

  /** A copy: the entry's name and records are kept longer than a piece. */
  async #extended(size: number): Promise<Buffer> {
    if (size > MAX_EXTENDED_BYTES)
      throw malformedArchive(`a name or record has ${size} bytes; the limit is ${MAX_EXTENDED_BYTES}`);
    const bytes = Buffer.from(await this.#bytes.exactly(size));
    if (bytes.length < size) throw cut();
    await this.#skip(padding(size));
    return bytes;
  }

  async #entry(header: ArchiveHeader, block: Buffer, extension: Extension): Promise<ArchiveEntry> {
    const { type } = header;
    const record = (key: string): Buffer | undefined => {
      const value = extension.records.get(key) ?? this.#global.get(key);
      // An empty one takes back a global one.
      return value === undefined || value.length === 0 ? undefined : value;
    };
    const text = (key: string) => record(key)?.toString("latin1");
    const number = (key: string) => numberOf(text(key));
    const name = record("GNU.sparse.name") ?? record("path") ?? extension.longName ?? header.name;
    const target = record("linkpath") ?? extension.longLinkName ?? header.linkName;
    const size = type === "S" ? header.size : sizeIn(text("size"), header.size);
    this.#expect(withoutContent.has(type) ? 0 : size);
    const kind = kinds.get(type) ?? "other";
    const shared = {
      ...{ kind, name: name.toString(), isNameUtf8: isUtf8(name) },
      ...{ target: target.toString(), isTargetUtf8: isUtf8(target) },
      mode: header.mode,
      uid: number("uid") ?? header.uid,
      gid: number("gid") ?? header.gid,
      mtimeMs: (number("mtime") ?? header.mtimeSeconds) * 1000,
      description: descriptions.get(type) ?? "its kind is not known",
    };
    const parts = new SparseParts(shared.name);
    const sparse =
      kind !== "file" ? undefined : await this.#sparse(header, block, { text, parts, extension, size });
    return { ...shared, size: sparse?.size ?? size, sparse: sparse?.map };
  }

  #expect(bytes: number): void {
    this.#contentBytes = bytes;
    this.#paddingBytes = padding(bytes);
  }

  /** Undefined for a file without a map. */
  async #sparse(
    header: ArchiveHeader,
    block: Buffer,
    { text, parts, extension, size }: SparseSource,
  ): Promise<{ readonly size: number; readonly map: SparseMap } | undefined> {
    if (header.type === "S") {
      if (!header.isGnu) throw parts.malformed("its format is not known");
      const realSize = realSizeIn(block);
      for (let hasMore = takeHeaderParts(block, parts); hasMore; ) {
        const more = await this.#bytes.exactly(BLOCK_BYTES);
        if (more.length < BLOCK_BYTES) throw cut();
        hasMore = takeExtensionParts(more, parts);
      }
      return { size: realSize ?? 0, map: parts.finish(realSize, size) };
    }
    const [major, minor] = [text("GNU.sparse.major"), text("GNU.sparse.minor")];
    if (major !== undefined || minor !== undefined) {
      if (major !== "1" || minor !== "0")
        throw parts.malformed(`its format ${major ?? ""}.${minor ?? ""} is not known`);
      const lines = new MapLines(parts);
      for (let isEnd = false; !isEnd; ) isEnd = lines.take(await this.#mapBlock(parts));
      const realSize = decimal(text("GNU.sparse.realsize") ?? "");
      return { size: realSize ?? 0, map: parts.finish(realSize, this.#contentBytes) };
    }
    const realText = text("GNU.sparse.size");
    if (realText === undefined) return undefined;
    takeListedParts(text("GNU.sparse.map") ?? listOf(extension.positions, parts), parts);
    const realSize = decimal(realText);
    return { size: realSize ?? 0, map: parts.finish(realSize, size) };
  }

  async #mapBlock(parts: SparseParts): Promise<Buffer> {
    if (this.#contentBytes < BLOCK_BYTES) throw parts.malformed("it is longer than the content");
    const block = await this.#bytes.exactly(BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw cut();
    this.#contentBytes -= BLOCK_BYTES;
    return block;
  }

  async #skip(bytes: number): Promise<void> {
    if (bytes > 0 && (await this.#bytes.skip(bytes)) < bytes) throw cut();
  }
}

interface SparseSource {
  readonly text: (key: string) => string | undefined;
  readonly parts: SparseParts;
  readonly extension: Extension;
  /** Of the content in the archive. */
  readonly size: number;
}

function cut(): Error {
  return malformedArchive("it ends in the middle of an entry");
}

function padding(bytes: number): number {
  const rest = bytes % BLOCK_BYTES;
  return rest === 0 ? 0 : BLOCK_BYTES - rest;
}

function listOf(positions: Extension["positions"], parts: SparseParts): string {
  positions.forEach(({ key }, index) => {
    if (key !== (index % 2 === 0 ? "GNU.sparse.offset" : "GNU.sparse.numbytes"))
      throw parts.malformed("an offset or a length is missing");
  });
  return positions.map(({ value }) => value).join(",");
}

function sizeIn(text: string | undefined, size: number): number {
  if (text === undefined) return size;
  const number = decimal(text);
  if (number === undefined) throw malformedArchive("the size in a pax record is not a number");
  return number;
}

/** Undefined for something else than a number. */
function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
}
