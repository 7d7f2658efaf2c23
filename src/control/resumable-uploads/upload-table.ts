// All resumable uploads: found by id, bounded in number, and dropped when their client does not return. A stored one is
// remembered, so that a client that did not get the answer does not store it again.

import { startTimer, type Timer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import { clip } from "../../text.ts";
import type { ResumableUpload } from "./resumable-upload.ts";
import type { UploadState } from "./upload-state.ts";

/** Each open upload holds a descriptor and disk space. */
const MAX_OPEN_UPLOADS = 256;
const MAX_STORED = 1024;
/** Without a request for this long, an upload is dropped. */
const UPLOAD_EXPIRY_MS = 60 * 60 * 1000;

interface Entry {
  readonly upload: ResumableUpload;
  timer: Timer;
}

export class UploadTable {
  readonly #entries = new Map<string, Entry>();

  save(): UploadState[] {
    return [...this.#entries.values()].map(({ upload }) => upload.save());
  }

  /** One that another image of this agent had. */
  restore(upload: ResumableUpload): void {
    const { id } = upload.plan;
    this.#entries.set(id, { upload, timer: this.#expiry(id) });
  }

  find(id: string): ResumableUpload | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    entry.timer.cancel();
    entry.timer = this.#expiry(id);
    return entry.upload;
  }

  get(id: string): ResumableUpload {
    const upload = this.find(id);
    if (upload !== undefined) return upload;
    throw new HoldfastError(
      "not_found",
      `no upload "${clip(id)}"; it is complete, was deleted or has expired: start again`,
    );
  }

  add(upload: ResumableUpload): void {
    const open = [...this.#entries.values()].filter((entry) => entry.upload.stored === undefined).length;
    if (open >= MAX_OPEN_UPLOADS)
      throw new HoldfastError(
        "resource_exhausted",
        `${open} resumable uploads are open, which is the limit; try later`,
      );
    const stored = [...this.#entries].filter(([, entry]) => entry.upload.stored !== undefined);
    if (stored.length >= MAX_STORED && stored[0] !== undefined) this.#drop(stored[0][0]);
    const { id } = upload.plan;
    this.#entries.set(id, { upload, timer: this.#expiry(id) });
  }

  remove(id: string): void {
    this.#drop(id);
  }

  #expiry(id: string): Timer {
    return startTimer(UPLOAD_EXPIRY_MS, () => this.#drop(id));
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.timer.cancel();
    this.#entries.delete(id);
    entry.upload.close().catch(() => {
      // An error of closing a spool file that is not needed any more.
    });
  }
}
