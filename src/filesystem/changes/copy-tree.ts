// Copies a file or directory with mode, owner, times, extended attributes, links and holes, for moves
// between file systems. Files are stored on disk when it returns.

import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { constants as system } from "node:os";
import {
  copyRange,
  listAttributes,
  makeNode,
  nextData,
  readAttribute,
  setTimes,
  writeAttribute,
} from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import { namesIn, withFolder } from "../threads/open-folder.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { copyByReading } from "./copy-by-reading.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
const E = system.errno;
/** Each level holds two descriptors, and a part of the stack. */
const MAX_DEPTH = 1000;
const STEP_BYTES = 16 * 1024 * 1024;
const TYPE_BITS = 0o170000;

/** `to` does not exist. On failure, the caller removes the copied part. `shownPath` is `from` in messages. */
export function copyTree(context: OperationContext, from: Buffer, to: Buffer, shownPath: Buffer): void {
  new Copy(context).one(from, to, { from: shownPath, to });
}

interface Paths {
  /** For messages. */
  readonly from: Buffer;
  /** From the open directory of the copy on: paths through descriptors end with it. */
  readonly to: Buffer;
}

function joined(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from("/"), name]);
}

class Copy {
  readonly #context: OperationContext;
  /** Files with several links that were copied, by device and inode. */
  readonly #linked = new Map<string, Buffer>();
  #depth = 0;

  constructor(context: OperationContext) {
    this.#context = context;
  }

  one(from: Buffer, to: Buffer, paths: Paths): void {
    const shownPath = paths.from;
    this.#context.step();
    const stats = withPath("copy", shownPath, () => lstatSync(from, { bigint: true }));
    const key = `${stats.dev}:${stats.ino}`;
    const twin = stats.isDirectory() || stats.nlink === 1n ? undefined : this.#linked.get(key);
    withPath("copy", shownPath, () => {
      if (twin === undefined) this.#new(from, to, paths, stats);
      else linkSync(twin, to);
    });
    if (!stats.isDirectory() && stats.nlink > 1n) this.#linked.set(key, paths.to);
  }

  #new(from: Buffer, to: Buffer, paths: Paths, stats: BigIntStats): void {
    if (stats.isFile()) this.#file(from, to, paths.from);
    else if (stats.isDirectory()) this.#directory(from, to, paths);
    else this.#special(from, to, paths.from, stats);
  }

  /** A link, FIFO, socket or device. */
  #special(from: Buffer, to: Buffer, shownPath: Buffer, stats: BigIntStats): void {
    if (stats.isSymbolicLink()) symlinkSync(readlinkSync(from, "buffer"), to);
    else {
      const errno = makeNode(to, Number(stats.mode), stats.rdev);
      if (errno !== undefined) throw pathError("copy", shownPath, errno);
    }
    ignoreRefusal(() => lchownSync(to, Number(stats.uid), Number(stats.gid)));
    setTimes(to, stats.atimeNs, stats.mtimeNs);
  }

  #file(from: Buffer, to: Buffer, shownPath: Buffer): void {
    const source = openSync(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stats = fstatSync(source, { bigint: true });
      // It was replaced since it was looked up.
      if ((Number(stats.mode) & TYPE_BITS) !== 0o100000) throw pathError("copy", shownPath, E.ESTALE);
      const target = openSync(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        this.#content(source, target, Number(stats.size), shownPath);
        this.#properties(source, target, stats);
        fsyncSync(target);
      } finally {
        closeSync(target);
      }
      setTimes(to, stats.atimeNs, stats.mtimeNs);
    } finally {
      closeSync(source);
    }
  }

  /** Holes stay holes. */
  #content(source: number, target: number, size: number, shownPath: Buffer): void {
    ftruncateSync(target, size);
    for (let at = 0; at < size; ) {
      const data = nextData(source, at, size);
      if (data === undefined) return;
      at = data.start;
      while (at < data.end) {
        this.#context.step();
        const bytes = Math.min(data.end - at, STEP_BYTES);
        let copied = copyRange(source, at, target, at, bytes);
        // Old kernels and some file systems cannot copy between two file systems.
        if (copied < 0) copied = copyByReading(source, target, at, bytes);
        // The file became shorter.
        if (copied === 0) throw pathError("copy", shownPath, E.ESTALE);
        at += copied;
      }
    }
  }

  #directory(from: Buffer, to: Buffer, paths: Paths): void {
    if (this.#depth >= MAX_DEPTH) throw tooDeep(paths.from);
    mkdirSync(to, 0o700);
    this.#depth++;
    withFolder("copy", from, paths.from, (source) =>
      withFolder("copy", to, paths.to, (target) => {
        for (const name of namesIn(source)) {
          const below = { from: joined(paths.from, name), to: joined(paths.to, name) };
          this.one(source.at(name), target.at(name), below);
        }
        const stats = fstatSync(source.fd, { bigint: true });
        this.#properties(source.fd, target.fd, stats);
        fsyncSync(target.fd);
        setTimes(target.at(Buffer.from(".")), stats.atimeNs, stats.mtimeNs);
      }),
    );
    this.#depth--;
  }

  /** The owner first: a change of the owner clears setuid. */
  #properties(source: number, target: number, stats: BigIntStats): void {
    ignoreRefusal(() => fchownSync(target, Number(stats.uid), Number(stats.gid)));
    const names = listAttributes(source);
    for (const name of "errno" in names ? [] : names) {
      const value = readAttribute(source, name);
      // Not every file system has every attribute.
      if (value !== undefined && !("errno" in value)) writeAttribute(target, name, value);
    }
    fchmodSync(target, Number(stats.mode) & 0o7777);
  }
}

function tooDeep(path: Buffer): FileError {
  return new FileError(
    "failed_precondition",
    `cannot copy "${clip(pathText(path))}" to another file system: it is more than ${MAX_DEPTH} directories deep`,
  );
}

/** Only root may give files away, and some file systems have one owner. */
function ignoreRefusal(call: () => void): void {
  try {
    call();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}
