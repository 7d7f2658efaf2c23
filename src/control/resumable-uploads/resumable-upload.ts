// One upload that its client may interrupt and continue, at the offset that the agent names: the state of it. Bytes are
// accepted in order and once. The target is not touched before the last byte has arrived and the digest is right.
//
//   open -- complete() --> stored
//   open -- a failure of the content, cancel() or the expiry --> gone

import { createHash, type Hash } from "node:crypto";
import { HoldfastError } from "../../errors.ts";
import { type PlacedFile, readAt, type StagedContent } from "../../filesystem/index.ts";
import { compareDigest, expectedDigest, reprDigest } from "../file-headers/digests.ts";
import type { Requester } from "../files/file-request.ts";
import { type StoreOptions, store, type Target } from "../uploads/storing.ts";
import type { UploadState } from "./upload-state.ts";

/** Read at once when an upload of another image of this agent continues. */
const REHASH_BYTES = 1024 * 1024;

export interface UploadPlan {
  readonly id: string;
  readonly path: Buffer;
  readonly requester: Pick<Requester, "files" | "owner">;
  readonly target: Target;
  readonly options: StoreOptions;
  /** Of the whole content, as in the header Repr-Digest. */
  readonly digest: string | null;
}

/** The request that sends content now. */
interface Run {
  readonly ended: Promise<void>;
  /** Ends its connection. */
  readonly stop: () => void;
}

export class ResumableUpload {
  readonly plan: UploadPlan;
  readonly #content: StagedContent;
  #hash: Hash = createHash("sha256");
  #run: Run | undefined;
  #stored: PlacedFile | undefined;
  #storedDigest: string | undefined;
  /** Of the content that another image of this agent accepted. */
  #unhashedBytes: number;
  #storing: Promise<unknown> | undefined;

  /** `stored`: the result, if another image of this agent has stored it. */
  constructor(
    plan: UploadPlan,
    content: StagedContent,
    stored?: { readonly file: PlacedFile; readonly digest: string },
  ) {
    this.plan = plan;
    this.#content = content;
    this.#stored = stored?.file;
    this.#storedDigest = stored?.digest;
    this.#unhashedBytes = stored === undefined ? content.bytes : 0;
  }

  /** Changes nothing. A request that sends content now ends with this image of the agent. */
  save(): Omit<UploadState, "remainingMs"> {
    const { id, path, requester, target, options, digest } = this.plan;
    return {
      ...{ id, target, options, digest },
      path: path.toString("latin1"),
      user: requester.files.user,
      owner: requester.owner,
      content: this.#stored === undefined ? this.#content.save() : undefined,
      stored: this.#stored && { file: this.#stored, digest: this.digest },
    };
  }

  /** How many bytes of the content are accepted. */
  get offset(): number {
    return this.#stored?.bytes ?? this.#content.bytes;
  }

  /** Whether a request sends content now. */
  get isReceiving(): boolean {
    return this.#run !== undefined;
  }

  /** The result, once the content is stored. */
  get stored(): PlacedFile | undefined {
    return this.#stored;
  }

  /** `Repr-Digest` of the bytes that are accepted so far. */
  get digest(): string {
    return this.#storedDigest ?? reprDigest(this.#hash);
  }

  /**
   * Ends the request that sends content now, and resolves when its bytes are counted: its client
   * has reconnected. If the content is complete, it resolves when the file is stored or cannot be.
   */
  async takeOver(): Promise<void> {
    this.#run?.stop();
    await this.#run?.ended;
    await this.#storing?.catch(() => {
      // Its own request answers the error.
    });
  }

  /**
   * Appends the pieces of one request. When they end early, the bytes that have arrived are
   * accepted. If `pieces` throws because what arrived is not what its digest says, nothing of it
   * is.
   */
  async append(pieces: AsyncIterable<Uint8Array>, stop: () => void): Promise<void> {
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const run: Run = { ended, stop };
    this.#run = run;
    await this.#hashInherited();
    const start = { bytes: this.#content.bytes, hash: this.#hash.copy() };
    try {
      for await (const piece of pieces) {
        this.#hash.update(piece);
        await this.#content.append(piece);
      }
    } catch (error) {
      if (error instanceof HoldfastError && error.code === "invalid_argument") {
        this.#hash = start.hash;
        await this.#content.truncate(start.bytes);
      }
      throw error;
    } finally {
      // Until the next request it uses no memory.
      await this.#content.spool().finally(() => {
        if (this.#run === run) this.#run = undefined;
        end();
      });
    }
  }

  /** Stores the content. Throws `invalid_argument` if it is not what the digest says. */
  async complete(digest: string | null): Promise<PlacedFile> {
    const storing = this.#verifyAndStore(digest);
    this.#storing = storing;
    this.#stored = await storing;
    await this.#content.close();
    return this.#stored;
  }

  async #verifyAndStore(digest: string | null): Promise<PlacedFile> {
    for (const header of [this.plan.digest, digest]) await this.#verify(header);
    const { path, requester, target, options } = this.plan;
    return await store(requester, { path, content: this.#content, target, options });
  }

  async #verify(header: string | null): Promise<void> {
    const expected = expectedDigest("Repr-Digest", header);
    if (expected === undefined) return;
    if (expected.algorithm === "sha256") return compareDigest("Repr-Digest", expected, this.#hash);
    // Only the other one is counted while the content arrives.
    const hash = createHash(expected.algorithm);
    await this.#readInto(hash, this.#content.bytes);
    compareDigest("Repr-Digest", expected, hash);
  }

  /** A hash cannot be passed on: the spool file is read once more. */
  async #hashInherited(): Promise<void> {
    const bytes = this.#unhashedBytes;
    this.#unhashedBytes = 0;
    await this.#readInto(this.#hash, bytes);
  }

  /** Content is in the spool file while no request sends any. */
  async #readInto(hash: Hash, bytes: number): Promise<void> {
    const fd = this.#content.spoolFile?.fd;
    if (fd === undefined || bytes === 0) return;
    const buffer = Buffer.allocUnsafeSlow(Math.min(bytes, REHASH_BYTES));
    for (let at = 0; at < bytes; ) {
      const read = await readAt(fd, buffer.subarray(0, Math.min(buffer.length, bytes - at)), at);
      if (read === 0) throw new Error(`the spool file of an upload ends at ${at} of ${bytes} bytes`);
      hash.update(buffer.subarray(0, read));
      at += read;
    }
  }

  async close(): Promise<void> {
    this.#run?.stop();
    await this.#content.close();
  }
}
