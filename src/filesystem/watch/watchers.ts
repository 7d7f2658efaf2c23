// All watches: their number, their ids, and how long an unread one is kept.

import { realClock, startTimer, type Timer } from "../../clock.ts";
import { fromLastingMs, toLastingMs } from "../../lasting-time.ts";
import { type InheritedDescriptors, kernelRandomBytes } from "../../linux/index.ts";
import { clip, lengthProblem } from "../../text.ts";
import type { FileAccess, UserFiles } from "../file-access.ts";
import { FileError } from "../file-error.ts";
import { InotifyHub } from "./inotify-hub.ts";
import type { WatchRequest } from "./watch-event.ts";
import type { WatchesState } from "./watch-state.ts";
import { Watcher, type WatcherOptions } from "./watcher.ts";

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
  /** Of another image of the agent; continued by `goOn`. */
  readonly saved?: SavedWatches | undefined;
}

export interface SavedWatches {
  readonly state: WatchesState;
  readonly descriptors: InheritedDescriptors;
  readonly files: FileAccess;
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

type OpenOptions = Pick<WatcherOptions, "id" | "request" | "includeEntry" | "files" | "saved"> & {
  readonly reservation: Reservation;
};

interface Kept {
  readonly watcher: Watcher;
  readonly reservation: Reservation;
  /** Clients that read it now. */
  readers: number;
  /** It is removed when its reader leaves. */
  endsWithReader: boolean;
  expiry: Timer | undefined;
  /** When it expires, by the running clock; undefined while it is read. */
  dueAtMs: number | undefined;
}

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #hub: InotifyHub;
  readonly #kept = new Map<string, Kept>();
  #starting = 0;
  readonly #ofRemoved = { events: 0, rescans: 0 };

  constructor(options: WatchersOptions) {
    this.#options = options;
    const { saved } = options;
    const fd = saved?.state.fd;
    this.#hub = new InotifyHub(fd === undefined ? undefined : saved?.descriptors.claim(fd, "other"));
    if (saved !== undefined) this.#restore(saved);
  }

  #restore({ state, files }: SavedWatches): void {
    Object.assign(this.#ofRemoved, state.ofRemoved);
    for (const one of state.watchers) {
      const reservation = this.#options.reserve(0);
      if (reservation === undefined) throw new Error("no memory is left for a watch (--memory-budget)");
      const { id, request, includeEntry, endsWithReader } = one;
      const watcher = this.#open({
        id,
        request,
        includeEntry,
        files: files.for(one.user),
        reservation,
        saved: one,
      });
      const dueAtMs = one.dueAtMs && fromLastingMs(one.dueAtMs, realClock.nowMs());
      const kept = { watcher, reservation, readers: 0, endsWithReader, expiry: undefined, dueAtMs };
      this.#kept.set(id, kept);
    }
  }

  /** Changes nothing. */
  save(): WatchesState {
    const watchers = [...this.#kept.values()].map(({ watcher, endsWithReader, dueAtMs }) => ({
      ...watcher.save(),
      endsWithReader,
      ...(dueAtMs === undefined ? {} : { dueAtMs: toLastingMs(dueAtMs, realClock.nowMs()) }),
    }));
    return { fd: this.#hub.fd, watchers, ofRemoved: { ...this.#ofRemoved } };
  }

  /** Continues what was saved. Streams that continue are readers by now. */
  goOn(): void {
    for (const kept of [...this.#kept.values()]) {
      const isLeft = kept.readers === 0;
      if (isLeft && kept.endsWithReader) this.remove(kept.watcher.id);
      else this.#expireAt(kept, kept.dueAtMs);
    }
    this.#hub.goOn();
    for (const { watcher } of this.#kept.values()) watcher.goOn();
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
      const watcher = this.#open({ id: newId(), request, includeEntry, files, reservation });
      await watcher.start();
      const kept: Kept = {
        ...{ watcher, reservation, readers: 0, endsWithReader: false },
        ...{ expiry: undefined, dueAtMs: undefined },
      };
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

  #open({ reservation, ...options }: OpenOptions): Watcher {
    return new Watcher({
      ...options,
      hub: this.#hub,
      maxDirectories: MAX_DIRECTORIES,
      maxQueueBytes: MAX_QUEUE_BYTES,
      resize: (bytes) => reservation.resize(bytes),
    });
  }

  /** Throws `not_found`. */
  find(id: string): Watcher {
    return this.#find(id).watcher;
  }

  /** Until the returned function is called, the watch does not expire. With `endsWithReader` that removes the watch. */
  read(id: string, { endsWithReader = false } = {}): () => void {
    const kept = this.#find(id);
    kept.endsWithReader = endsWithReader;
    kept.readers++;
    kept.expiry?.cancel();
    kept.dueAtMs = undefined;
    let isReading = true;
    return () => {
      if (!isReading) return;
      isReading = false;
      kept.readers--;
      if (kept.watcher.isClosed) return;
      if (endsWithReader) this.remove(id);
      else this.#expireLater(kept);
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
    this.#expireAt(kept, undefined);
  }

  /** Undefined: the whole time from now on. */
  #expireAt(kept: Kept, dueAtMs: number | undefined): void {
    kept.expiry?.cancel();
    if (kept.readers > 0) return;
    const nowMs = realClock.nowMs();
    kept.dueAtMs = dueAtMs ?? nowMs + this.#options.retainMs;
    kept.expiry = startTimer(Math.max(0, kept.dueAtMs - nowMs), () => this.remove(kept.watcher.id));
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
  for (const glob of globs) {
    const problem = lengthProblem(glob, { most: MAX_GLOB_LENGTH });
    if (problem !== undefined)
      throw new FileError("invalid_argument", `glob "${clip(glob)}" in exclude ${problem}`);
  }
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
