// The content of an upload until it is complete: in memory up to a bound, then in a spool file without a name. The target
// is not touched before. Pieces are gathered, so that a body in small pieces costs few writes; while one batch is written
// the next one arrives.

import { HoldfastError } from "../../errors.ts";
import { errnoOf, pathError } from "../file-error.ts";
import { noteOwnSpool } from "../threads/own-spools.ts";
import type { CompleteContent } from "./copy-in.ts";
import { closeFile, truncateFile, writeAllAt } from "./file-io.ts";
import type { Spool } from "./spool.ts";

/** Pieces below this size are copied together: each would keep the buffer in which it arrived. */
const SMALL_BYTES = 4096;
const GATHER_BYTES = 16 * 1024;

/** Opens the spool file, at the first content that does not stay in memory. */
export type OpenSpool = () => Promise<Spool>;

/** The content that the spool file of an upload certainly has; for src/handover. */
export interface StagedContentState {
  readonly spool: Spool;
  readonly bytes: number;
}

export class StagedContent {
  readonly #openSpool: OpenSpool;
  readonly #batchBytes: number;
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  /** The buffer of the last chunk, while small pieces go into it. */
  #gathered: { readonly buffer: Buffer; used: number } | undefined;
  #bytes = 0;
  /** The bytes that the spool file has, or will have when `#writing` is done. */
  #spooledBytes = 0;
  /** The bytes that the spool file certainly has. */
  #writtenBytes = 0;
  #spool: Spool | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** The spool file may be longer than the content. */
  #wasTruncated = false;
  #isClosed = false;

  /**
   * Content smaller than `batchBytes` stays in memory. Larger content goes to the spool file in batches of this size, of
   * which two are held: one that is written and one that arrives.
   */
  constructor(openSpool: OpenSpool, batchBytes: number, saved?: StagedContentState) {
    this.#openSpool = openSpool;
    this.#batchBytes = batchBytes;
    if (saved === undefined) return;
    this.#spool = saved.spool;
    this.#bytes = saved.bytes;
    this.#spooledBytes = saved.bytes;
    this.#writtenBytes = saved.bytes;
    // A write may have been under way.
    this.#wasTruncated = true;
    noteOwnSpool(saved.spool.fd);
  }

  /**
   * Undefined without a spool file, or if its writing failed. Bytes that are only in memory are not
   * part of it.
   */
  save(): StagedContentState | undefined {
    if (this.#spool === undefined || this.#isClosed) return undefined;
    return { spool: this.#spool, bytes: Math.min(this.#writtenBytes, this.#bytes) };
  }

  /** The spool file, once there is one. It is closed by `close`. */
  get spoolFile(): Spool | undefined {
    return this.#spool;
  }

  /** All bytes that were appended. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps `chunk`, a large one without a copy. Resolves when there is room for the next one; rejects if it cannot be kept. */
  async append(chunk: Uint8Array): Promise<void> {
    if (this.#isClosed) throw new HoldfastError("unavailable", "the upload was given up");
    if (chunk.length < SMALL_BYTES) this.#gatherSmall(chunk);
    else {
      this.#chunks.push(chunk);
      this.#gathered = undefined;
    }
    this.#chunkBytes += chunk.length;
    this.#bytes += chunk.length;
    if (this.#chunkBytes < this.#batchBytes) return;
    await this.#writing;
    this.#write();
  }

  /** All of it, when it is written. To be called at the end, and after a pause of a resumable upload. */
  async complete(): Promise<CompleteContent> {
    await this.flush();
    if (this.#wasTruncated && this.#spool !== undefined) await truncateFile(this.#spool.fd, this.#bytes);
    return this.#spool === undefined
      ? { kind: "memory", bytes: this.#bytes, data: Buffer.concat(this.#chunks) }
      : { kind: "spool", bytes: this.#bytes, fd: this.#spool.fd };
  }

  /** Afterwards, content that is in the spool file uses no memory. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#spooledBytes > 0 && this.#chunkBytes > 0) this.#write();
    await this.#writing;
  }

  /** Moves content that is in memory to the spool file also. */
  async spool(): Promise<void> {
    await this.#writing;
    if (this.#chunkBytes > 0) this.#write();
    await this.#writing;
  }

  /** Drops everything after the first `bytes`. Not while an append runs. */
  async truncate(bytes: number): Promise<void> {
    await this.#writing;
    const dropped = this.#bytes - bytes;
    if (dropped > this.#chunkBytes) {
      this.#spooledBytes = bytes;
      this.#writtenBytes = Math.min(this.#writtenBytes, bytes);
      this.#wasTruncated = true;
      this.#chunks = [];
      this.#chunkBytes = 0;
    } else if (dropped > 0) {
      this.#chunks = [Buffer.concat(this.#chunks).subarray(0, this.#chunkBytes - dropped)];
      this.#chunkBytes -= dropped;
    }
    this.#gathered = undefined;
    this.#bytes = bytes;
  }

  /** Gives up the content. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#chunks = [];
    this.#chunkBytes = 0;
    await this.#writing.catch(() => {
      // Reported to the caller of append already, or no caller waits for it.
    });
    if (this.#spool !== undefined) await closeFile(this.#spool.fd);
    this.#spool = undefined;
  }

  /** Appends to the last chunk while that has room. */
  #gatherSmall(chunk: Uint8Array): void {
    if (this.#gathered === undefined || this.#gathered.used + chunk.length > GATHER_BYTES) {
      this.#gathered = { buffer: Buffer.allocUnsafeSlow(GATHER_BYTES), used: 0 };
      this.#chunks.push(this.#gathered.buffer);
    }
    const { buffer } = this.#gathered;
    buffer.set(chunk, this.#gathered.used);
    this.#gathered.used += chunk.length;
    this.#chunks[this.#chunks.length - 1] = buffer.subarray(0, this.#gathered.used);
  }

  #write(): void {
    this.#gathered = undefined;
    const chunks = this.#chunks;
    const position = this.#spooledBytes;
    this.#spooledBytes += this.#chunkBytes;
    this.#chunks = [];
    this.#chunkBytes = 0;
    this.#writing = this.#writeBatch(chunks, position);
    this.#writing.catch(() => {
      // The next append reports it.
    });
  }

  async #writeBatch(chunks: readonly Uint8Array[], position: number): Promise<void> {
    this.#spool ??= await this.#openSpool();
    try {
      await writeAllAt(this.#spool.fd, chunks, position);
      this.#writtenBytes = position + chunks.reduce((sum, { length }) => sum + length, 0);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      const bytes = position + chunks.reduce((sum, { length }) => sum + length, 0);
      throw pathError(`store ${bytes} bytes in`, this.#spool.directory, errno);
    }
  }
}
