// All watches: their number, their ids, and how long an unread one is kept.

import { startTimer, type Timer } from "../../clock.ts";
import { kernelRandomBytes } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import type { UserFiles } from "../file-access.ts";
import { FileError } from "../file-error.ts";
import type { WatchRequest } from "./directory-watch.ts";
import { InotifyHub } from "./inotify-hub.ts";
import { Watcher } from "./watcher.ts";

/** The queue of one watch. */
const MAX_QUEUE_BYTES = 1024 * 1024;
/** Of all watches: each costs the agent half a kilobyte, and the kernel one. */
const MAX_DIRECTORIES = 131_072;

const MAX_GLOBS = 64;
const MAX_GLOB_LENGTH = 256;

const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 20;

/** Part of the memory budget of the agent. */
export interface Reservation {
  /** False, and nothing changes, if there is no room. */
  resize(bytes: number): boolean;
  release(): void;
}

export interface WatchersOptions {
  readonly maxWatchers: number;
  readonly retainMs: number;
  /** Undefined if there is no room. */
  reserve(bytes: number): Reservation | undefined;
}

export interface NewWatch extends WatchRequest {
  readonly includeEntry: boolean;
}

export interface WatchStatistics {
  readonly watchers: number;
  /** Directories that the kernel watches for all of them. */
  readonly directories: number;
  /** The bytes that the queues hold. */
  readonly heldBytes: number;
  /** Of all watches so far, removed ones included. */
  readonly events: number;
  /** How many of these say that others are missing. */
  readonly rescans: number;
}

interface Kept {
  readonly watcher: Watcher;
  readonly reservation: Reservation;
  /** Clients that read it now. */
  readers: number;
  expiry: Timer | undefined;
}

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #hub = new InotifyHub();
  readonly #kept = new Map<string, Kept>();
  #starting = 0;
  readonly #ofRemoved = { events: 0, rescans: 0 };

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  statistics(): WatchStatistics {
    let { events, rescans } = this.#ofRemoved;
    let heldBytes = 0;
    for (const { watcher } of this.#kept.values()) {
      const { queue } = watcher;
      events += queue.next;
      rescans += queue.rescans;
      heldBytes += queue.heldBytes;
    }
    return { watchers: this.#kept.size, directories: this.#hub.watchCount, heldBytes, events, rescans };
  }

  /** Changes are noticed from the moment it resolves. Rejects with a FileError. */
  async create(files: UserFiles, { includeEntry, ...request }: NewWatch): Promise<Watcher> {
    const { maxWatchers } = this.#options;
    checkGlobs(request.exclude);
    if (this.#kept.size + this.#starting >= maxWatchers)
      throw new FileError("resource_exhausted", `watcher limit reached (${maxWatchers}; --max-watchers)`);
    const reservation = this.#options.reserve(0);
    if (reservation === undefined)
      throw new FileError("resource_exhausted", "no memory is left for a watch (--memory-budget)");
    this.#starting++;
    try {
      const watcher = new Watcher({
        ...{ id: newId(), request, includeEntry, files, hub: this.#hub },
        maxDirectories: MAX_DIRECTORIES,
        maxQueueBytes: MAX_QUEUE_BYTES,
        resize: (bytes) => reservation.resize(bytes),
      });
      await watcher.start();
      const kept: Kept = { watcher, reservation, readers: 0, expiry: undefined };
      this.#kept.set(watcher.id, kept);
      this.#expireLater(kept);
      return watcher;
    } catch (error) {
      reservation.release();
      throw error;
    } finally {
      this.#starting--;
    }
  }

  /** Throws `not_found`. */
  find(id: string): Watcher {
    return this.#find(id).watcher;
  }

  /** Until the returned function is called, the watch does not expire. */
  read(id: string): () => void {
    const kept = this.#find(id);
    kept.readers++;
    kept.expiry?.cancel();
    let isReading = true;
    return () => {
      if (!isReading) return;
      isReading = false;
      kept.readers--;
      if (!kept.watcher.isClosed) this.#expireLater(kept);
    };
  }

  /** Throws `not_found`. */
  remove(id: string): void {
    const { watcher, reservation, expiry } = this.#find(id);
    this.#kept.delete(id);
    expiry?.cancel();
    this.#ofRemoved.events += watcher.queue.next;
    this.#ofRemoved.rescans += watcher.queue.rescans;
    watcher.close();
    reservation.release();
  }

  close(): void {
    for (const id of [...this.#kept.keys()]) this.remove(id);
  }

  #expireLater(kept: Kept): void {
    kept.expiry?.cancel();
    if (kept.readers > 0) return;
    kept.expiry = startTimer(this.#options.retainMs, () => this.remove(kept.watcher.id));
  }

  #find(id: string): Kept {
    const kept = this.#kept.get(id);
    if (kept !== undefined) return kept;
    throw new FileError(
      "not_found",
      `no watcher "${clip(id)}": it was removed, or no client read it for --retain-watchers`,
    );
  }
}

function checkGlobs(globs: readonly string[]): void {
  if (globs.length > MAX_GLOBS)
    throw new FileError(
      "invalid_argument",
      `${globs.length} globs in exclude; at most ${MAX_GLOBS} are allowed`,
    );
  for (const glob of globs)
    if (glob === "" || glob.length > MAX_GLOB_LENGTH)
      throw new FileError(
        "invalid_argument",
        `glob "${clip(glob)}" in exclude is empty or longer than ${MAX_GLOB_LENGTH} characters`,
      );
}

/** As envd's: `w` and 20 letters and digits. */
function newId(): string {
  let id = "w";
  while (id.length <= ID_LENGTH) {
    for (const byte of kernelRandomBytes(32)) {
      // 252 is the largest multiple of 36: above it, some letters would come more often.
      if (byte < 252 && id.length <= ID_LENGTH) id += ID_LETTERS[byte % ID_LETTERS.length];
    }
  }
  return id;
}
