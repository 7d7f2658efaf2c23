// All resumable uploads: found by id, bounded in number, and dropped when their client does not return. A stored one is
// remembered, so that a client that did not get the answer does not store it again.

import { type Clock, realClock, type Timer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import { clip } from "../../text.ts";
import type { ResumableUpload } from "./resumable-upload.ts";
import type { UploadState } from "./upload-state.ts";

/** Each open upload holds a descriptor and disk space. */
const MAX_OPEN_UPLOADS = 256;
const MAX_STORED = 1024;
/** Without a request for this long, an upload is dropped. */
const UPLOAD_EXPIRY_MS = 60 * 60 * 1000;

/** Nothing is dropped before this image of the agent certainly continues: until then, another one may need it. */
const SOONEST_MS = 30_000;

interface Entry {
  readonly upload: ResumableUpload;
  timer: Timer;
  /** When it is dropped, by the running clock. */
  dueAtMs: number;
}

export class UploadTable {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;

  constructor(clock: Clock = realClock) {
    this.#clock = clock;
  }

  save(): UploadState[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#entries.values()].map(({ upload, dueAtMs }) => ({
      ...upload.save(),
      remainingMs: dueAtMs - nowMs,
    }));
  }

  /** One that another image of this agent had, for the rest of its time. */
  restore(upload: ResumableUpload, remainingMs = UPLOAD_EXPIRY_MS): void {
    const { id } = upload.plan;
    const leftMs = Math.max(remainingMs, SOONEST_MS);
    this.#entries.set(id, { upload, ...this.#expiry(id, leftMs) });
  }

  find(id: string): ResumableUpload | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    entry.timer.cancel();
    Object.assign(entry, this.#expiry(id));
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
    this.#entries.set(id, { upload, ...this.#expiry(id) });
  }

  remove(id: string): void {
    this.#drop(id);
  }

  #expiry(id: string, remainingMs = UPLOAD_EXPIRY_MS): Omit<Entry, "upload"> {
    const timer = this.#clock.startTimer(remainingMs, () => this.#drop(id));
    return { timer, dueAtMs: this.#clock.nowMs() + remainingMs };
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
