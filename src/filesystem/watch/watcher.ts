// A watch as clients see it: an id, and a queue of events with their entries, which is there before
// a client reads and after it left.

import { startTimer, type Timer } from "../../clock.ts";
import { messageOf } from "../../text.ts";
import type { UserFiles } from "../file-access.ts";
import { FileError } from "../file-error.ts";
import { DirectoryWatch } from "./directory-watch.ts";
import { EventQueue } from "./event-queue.ts";
import type { InotifyHub } from "./inotify-hub.ts";
import type { RawWatchEvent, WatchEvent, WatchRequest } from "./watch-event.ts";
import type { SavedFailure, WatcherState } from "./watch-state.ts";

/** How long a poll waits for directories that are being armed, so that their content is in its answer. */
const SETTLE_MS = 2_000;

/** How many entries are looked up at once. */
const MAX_LOOKUPS = 1000;

export interface WatcherOptions {
  readonly id: string;
  readonly request: WatchRequest;
  readonly includeEntry: boolean;
  readonly files: UserFiles;
  readonly hub: InotifyHub;
  readonly maxDirectories: number;
  readonly maxQueueBytes: number;
  /** Asks for room for so many bytes in all; false if there is none. */
  resize(bytes: number): boolean;
  /** Of another image of the agent. */
  readonly saved?: WatcherState | undefined;
}

export class Watcher {
  readonly id: string;
  readonly queue: EventQueue;
  readonly #options: WatcherOptions;
  /** Undefined if it had failed in another image of the agent. */
  readonly #watch: DirectoryWatch | undefined;
  readonly #abort = new AbortController();
  #failure: unknown;
  #isClosed = false;
  /** Events that wait for the look-up of their entries. */
  #incoming: RawWatchEvent[] = [];
  /** Those whose entries are looked up now. */
  #lookingUp: readonly RawWatchEvent[] = [];
  #lookup: Promise<void> | undefined;

  constructor(options: WatcherOptions) {
    const { id, request, files, hub, maxDirectories, maxQueueBytes: maxBytes, saved } = options;
    this.id = id;
    this.#options = options;
    this.queue = new EventQueue({ maxBytes, resize: (bytes) => options.resize(bytes), saved: saved?.queue });
    this.#incoming = [...(saved?.incoming ?? [])];
    this.#failure = saved?.failure && restoreFailure(saved.failure);
    if (this.#failure !== undefined) return;
    this.#watch = new DirectoryWatch({
      ...{ request, files, hub, maxDirectories, saved: saved?.directory },
      onEvent: (event) => this.#receive(event),
      onFailure: (error) => {
        this.#failure = error;
        this.queue.wake();
      },
    });
  }

  /** See DirectoryWatch.start. */
  async start(): Promise<void> {
    await this.#watch?.start();
  }

  /** Changes nothing. */
  save(): Omit<WatcherState, "endsWithReader"> {
    const { id, request, includeEntry, files } = this.#options;
    const failure = this.#failure;
    return {
      ...{ id, request, includeEntry, user: files.user },
      queue: this.queue.save(),
      incoming: [...this.#lookingUp, ...this.#incoming],
      ...(failure === undefined ? { directory: this.#watch?.save() } : { failure: saveFailure(failure) }),
    };
  }

  /** Continues what another image of the agent began. */
  goOn(): void {
    if (this.#incoming.length > 0) this.#lookUpSoon();
    this.#watch?.goOn();
  }

  /** Why there are no more events than those in the queue. */
  get failure(): unknown {
    return this.#failure;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when everything that happened so far is in the queue, or after a while. */
  async settled(): Promise<void> {
    this.#options.hub.readDry();
    let timer: Timer | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = startTimer(SETTLE_MS, resolve);
    });
    await Promise.race([limit, Promise.resolve(this.#watch?.settled()).then(() => this.#lookup)]);
    timer?.cancel();
  }

  /** Readers that wait are woken. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#abort.abort();
    this.#watch?.close();
    this.queue.clear();
    this.queue.wake();
  }

  #receive(event: RawWatchEvent): void {
    if (this.#isClosed) return;
    if (!this.#options.includeEntry) this.queue.push({ ...event, entry: undefined });
    else {
      this.#incoming.push(event);
      this.#lookUpSoon();
    }
  }

  #lookUpSoon(): void {
    this.#lookup ??= this.#lookUpAll().finally(() => {
      this.#lookup = undefined;
    });
  }

  async #lookUpAll(): Promise<void> {
    // In a later turn: the events of one read of the kernel are looked up together.
    await undefined;
    while (this.#incoming.length > 0 && !this.#isClosed) {
      this.#lookingUp = this.#incoming.splice(0, MAX_LOOKUPS);
      for (const event of await this.#withEntries(this.#lookingUp)) this.queue.push(event);
      this.#lookingUp = [];
    }
  }

  /** An entry that cannot be read is left out. */
  async #withEntries(events: readonly RawWatchEvent[]): Promise<WatchEvent[]> {
    const { files, request } = this.#options;
    const root = request.path.replace(/\/+$/, "");
    const pathOf = ({ name }: RawWatchEvent) => (name === "." ? root : `${root}/${name}`);
    const paths = [...new Set(events.filter(hasEntry).map(pathOf))];
    const entries = await files
      .call("entries", [paths], { signal: this.#abort.signal })
      // The file system does not answer: the events themselves are still true.
      .catch(() => []);
    const byPath = new Map(paths.map((path, index) => [path, entries[index]]));
    return events.map((event) => ({
      ...event,
      entry: hasEntry(event) ? byPath.get(pathOf(event)) : undefined,
    }));
  }
}

function saveFailure(error: unknown): SavedFailure {
  const { code, errno } = error instanceof FileError ? error : { code: "internal", errno: undefined };
  return { code, message: messageOf(error), errno };
}

function restoreFailure({ code, message, errno }: SavedFailure): Error {
  return new FileError(code as FileError["code"], message, errno);
}

/** Never on REMOVE and RENAME: the entry could be that of a successor. */
function hasEntry({ type, rescan }: RawWatchEvent): boolean {
  return !rescan && type !== "remove" && type !== "rename";
}
