// The watch of one directory: turns events of the kernel into events of names. It keeps the tree of
// watched directories while they are made, moved and removed, and continues when the root returns or
// events were lost.
//
// While directories are being armed on a thread, events wait in the inbox; then they are handled in
// their order. So an event always meets the tree that it belongs to:
//
//   settled -- a new directory, an overflow --> arming -- the thread answers --> settled
//      |                                                                           ^
//      '-- the root is removed or renamed --> away -- it returns --> arming -------'

import { type Fd, IN, type InotifyEvent } from "../../linux/index.ts";
import type { UserFiles } from "../file-access.ts";
import { FileError, pathText } from "../file-error.ts";
import { cleanPath } from "../paths.ts";
import type { ArmItem } from "./arm-tree.ts";
import { createGlobs } from "./globs.ts";
import { Inbox } from "./inbox.ts";
import type { HubMember, InotifyHub } from "./inotify-hub.ts";
import { Moves } from "./moves.ts";
import type { RawWatchEvent, WatchEventType, WatchRequest } from "./watch-event.ts";
import { type DirectoryState, packTree, unpackTree } from "./watch-state.ts";
import { keyOf, type WatchedDirectory, WatchTree } from "./watch-tree.ts";

export interface DirectoryWatchOptions {
  readonly request: WatchRequest;
  readonly files: UserFiles;
  readonly hub: InotifyHub;
  /** Of all watches together. */
  readonly maxDirectories: number;
  onEvent(event: RawWatchEvent): void;
  /** The watch cannot continue; it is closed. */
  onFailure(error: unknown): void;
  /** Of another image of the agent. */
  readonly saved?: DirectoryState | undefined;
}

/** In this order, if one event of the kernel has several. */
const changes = [
  [IN.CREATE | IN.MOVED_TO, "create"],
  [IN.MOVED_FROM, "rename"],
  [IN.ATTRIB, "chmod"],
  [IN.MODIFY, "write"],
  [IN.DELETE, "remove"],
] as const;

export class DirectoryWatch implements HubMember {
  readonly #options: DirectoryWatchOptions;
  readonly #fd: Fd;
  readonly #inbox: Inbox;
  readonly #tree: WatchTree;
  readonly #moves: Moves;
  readonly #isExcluded: (path: string) => boolean;
  readonly #announced = new Set<WatchedDirectory>();
  readonly #abort = new AbortController();
  /** Calls on a thread; meanwhile events wait. */
  #arming = 0;
  /** New directories that are being armed: another image of the agent begins that again. */
  readonly #armingNew = new Set<WatchedDirectory>();
  #isRecovering = false;
  /** The root is gone; this stands for the watch of a directory above it. */
  #away: WatchedDirectory | undefined;
  #isHandling = false;
  #isClosed = false;
  #onSettled: (() => void)[] = [];

  /** Call `start` next, or `goOn` for one that was saved. Throws `resource_exhausted` without an inotify instance. */
  constructor(options: DirectoryWatchOptions) {
    const { saved } = options;
    this.#options = options;
    this.#fd = options.hub.join(this);
    this.#tree = new WatchTree((watch) => options.hub.disown(watch, this));
    this.#moves = new Moves(this.#tree);
    this.#isExcluded = createGlobs(options.request.exclude);
    this.#inbox = new Inbox(saved?.inbox);
    if (saved !== undefined) this.#restore(saved);
  }

  #restore(saved: DirectoryState): void {
    const { hub } = this.#options;
    const directories = unpackTree(saved.tree, this.#tree);
    this.#moves.restore(saved.moves, directories);
    for (const number of saved.arming) {
      const directory = directories[number];
      if (directory !== undefined) this.#armingNew.add(directory);
    }
    for (const directory of directories) {
      if (directory.watch !== undefined) hub.own(directory.watch, this);
      if (directory.announced !== undefined) this.#announced.add(directory);
    }
    this.#isRecovering = saved.isRecovering;
    if (saved.away === undefined) return;
    this.#away = newAway();
    const { watch } = saved.away;
    if (watch === undefined) return;
    hub.own(watch, this);
    this.#tree.setWatch(this.#away, watch);
  }

  /** Changes nothing. */
  save(): DirectoryState {
    const packed = packTree(this.#tree.root, this.#moves.directories);
    const numberOf = (directory: WatchedDirectory) => packed.numberOf(directory);
    return {
      tree: packed.state,
      inbox: this.#inbox.save(),
      moves: this.#moves.save(numberOf),
      away: this.#away && { watch: this.#away.watch },
      arming: [...this.#armingNew].map(numberOf).filter((number) => number !== undefined),
      isRecovering: this.#isRecovering,
    };
  }

  /** Continues what another image of the agent began. The kernel reports what happened meanwhile. */
  goOn(): void {
    const unfinished = [...this.#armingNew];
    this.#armingNew.clear();
    for (const directory of unfinished) this.#armNew(directory);
    if (this.#away !== undefined) this.#lookForRoot();
    else if (this.#isRecovering) this.#recover();
    this.#handleAll();
  }

  /** Resolves when changes are noticed from now on. Rejects if the directory cannot be watched. */
  async start(): Promise<void> {
    try {
      await this.#arm(this.#tree.root, false);
    } catch (error) {
      this.close();
      throw error;
    }
    this.#handleAll();
  }

  take(event: InotifyEvent): void {
    this.#inbox.add(event);
    this.#handleAll();
  }

  onDry(): void {
    if (this.#arming === 0) this.#moves.expire();
  }

  /** Resolves when every event that was taken so far is handled. */
  settled(): Promise<void> {
    if (this.#arming === 0 || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => void this.#onSettled.push(resolve));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#abort.abort();
    this.#options.hub.leave(this);
    this.#settle();
  }

  #handleAll(): void {
    if (this.#isHandling) return;
    this.#isHandling = true;
    while (this.#arming === 0 && !this.#isClosed) {
      const next = this.#inbox.take();
      if (next === undefined) break;
      this.#handle(next.event, next.number);
    }
    this.#isHandling = false;
    if (this.#arming > 0) return;
    if (this.#inbox.isEmpty) {
      for (const directory of this.#announced) directory.announced = undefined;
      this.#announced.clear();
    }
    this.#settle();
  }

  #settle(): void {
    const waiting = this.#onSettled;
    this.#onSettled = [];
    for (const resolve of waiting) resolve();
  }

  #handle(event: InotifyEvent, number: number): void {
    const directory = this.#tree.find(event.watch);
    if ((event.mask & IN.Q_OVERFLOW) !== 0) this.#recover();
    else if (directory === undefined) return;
    else if (directory === this.#away) this.#lookForRoot();
    else if ((event.mask & IN.IGNORED) !== 0) {
      this.#tree.clearWatch(directory);
      if (directory === this.#tree.root) this.#loseRoot();
    } else if (event.name.length === 0) {
      // Others are reported by their parents also.
      if (directory === this.#tree.root) this.#handleRoot(event.mask);
    } else if (this.#tree.isInTree(directory)) this.#handleName(directory, event, number);
    else this.#moves.missed(directory);
  }

  #handleRoot(mask: number): void {
    if ((mask & IN.ATTRIB) !== 0) this.#report(".", "chmod");
    if ((mask & IN.MOVE_SELF) !== 0) this.#report(".", "rename");
    else if ((mask & (IN.DELETE_SELF | IN.UNMOUNT)) !== 0) this.#report(".", "remove");
    else return;
    this.#loseRoot();
  }

  #handleName(directory: WatchedDirectory, event: InotifyEvent, number: number): void {
    const { mask, name } = event;
    const path = pathText(this.#pathBelow(directory, name));
    if (this.#isExcluded(path)) {
      this.#handleExcluded(directory, event);
      return;
    }
    for (const [bits, type] of changes) {
      if ((mask & bits) === 0) continue;
      if (type === "create" && wasAnnounced(directory, name, number)) continue;
      if (type === "remove") directory.announced?.names.delete(keyOf(name));
      this.#report(path, type);
      if (this.#options.request.recursive) this.#follow(directory, event, type);
    }
  }

  /** A directory may move from an excluded name to another one. */
  #handleExcluded(directory: WatchedDirectory, { mask, name }: InotifyEvent): void {
    if ((mask & (IN.MOVED_FROM | IN.DELETE)) === 0) return;
    const child = this.#tree.detach(directory, name);
    if (child !== undefined) this.#tree.forget(child);
  }

  /** Keeps the tree as the file system is. */
  #follow(directory: WatchedDirectory, { mask, name, cookie }: InotifyEvent, type: WatchEventType): void {
    if (type === "rename") {
      this.#moves.leave(directory, name, cookie, this.#inbox.hasCookie(cookie));
    } else if (type === "remove") {
      const child = this.#tree.detach(directory, name);
      if (child !== undefined) this.#tree.forget(child);
    } else if (type === "create" && (mask & IN.ISDIR) !== 0) {
      const moved = (mask & IN.MOVED_TO) !== 0 ? this.#moves.arrive(directory, name, cookie) : undefined;
      if (moved === undefined) this.#armNew(this.#tree.child(directory, name));
      else if (moved === "with losses") {
        this.#options.onEvent({
          name: pathText(this.#pathBelow(directory, name)),
          type: "write",
          rescan: true,
        });
        this.#armNew(this.#tree.child(directory, name));
      }
    }
  }

  /** A directory that was made or moved in: its entries are reported as new. */
  #armNew(directory: WatchedDirectory): void {
    this.#armingNew.add(directory);
    this.#inBackground(this.#arm(directory, true).finally(() => this.#armingNew.delete(directory)));
  }

  /** Events were lost: the tree is armed again from its root. */
  #recover(): void {
    const reportLoss = () => this.#reportRescan(".");
    if (this.#away !== undefined) this.#lookForRoot();
    if (this.#away !== undefined || !this.#options.request.recursive) {
      reportLoss();
      return;
    }
    for (const child of [...this.#tree.root.children.values()]) {
      this.#tree.detach(this.#tree.root, child.name);
      this.#tree.forget(child);
    }
    // Reported when changes are detected again: the client finds earlier ones when it lists the
    // directory.
    this.#isRecovering = true;
    this.#inBackground(
      this.#arm(this.#tree.root, false)
        .then(reportLoss, (error: unknown) => {
          if (!isGone(error)) throw error;
          reportLoss();
          this.#loseRoot();
        })
        .finally(() => {
          this.#isRecovering = false;
        }),
    );
  }

  /** From now on, waits for the root to return. */
  #loseRoot(): void {
    if (this.#away !== undefined || this.#isClosed) return;
    this.#tree.forget(this.#tree.root);
    // Not in the tree: its watch is of another directory.
    this.#away = newAway();
    this.#lookForRoot();
  }

  #lookForRoot(): void {
    this.#inBackground(this.#findRoot());
  }

  async #findRoot(): Promise<void> {
    const away = this.#away;
    if (away === undefined) return;
    for (;;) {
      try {
        await this.#arm(this.#tree.root, true, () => {
          this.#tree.clearWatch(away);
          this.#away = undefined;
          this.#report(".", "create");
        });
        return;
      } catch (error) {
        if (!isGone(error)) throw error;
      }
      // Once more after a directory above it is watched: the root may have returned before that.
      if (!(await this.#armAbove(away))) return;
    }
  }

  /** False if the nearest directory is the one that is watched already. */
  async #armAbove(away: WatchedDirectory): Promise<boolean> {
    const { hub, files, request } = this.#options;
    hub.startArming(this);
    try {
      const path = Buffer.from(cleanPath(request.path));
      const watch = await files.call("armNearest", [this.#fd, path], { signal: this.#abort.signal });
      const isNew = watch !== away.watch;
      hub.own(watch, this);
      this.#tree.setWatch(away, watch);
      return isNew;
    } finally {
      hub.stopArming(this);
    }
  }

  /** `onArmed` is called when the directory itself is watched, before anything in it is reported. */
  async #arm(directory: WatchedDirectory, announces: boolean, onArmed?: () => void): Promise<void> {
    const { hub, files, request, maxDirectories } = this.#options;
    const names = this.#tree.namesOf(directory);
    const items: ArmItem[] = [];
    this.#arming++;
    hub.startArming(this);
    try {
      const arm = {
        ...request,
        fd: this.#fd,
        path: names.length === 0 ? Buffer.from(request.path) : this.#absolute(names),
        names,
        maxDirectories: maxDirectories - hub.watchCount,
        listEntries: announces,
      };
      await files.call("armTree", [arm], {
        signal: this.#abort.signal,
        onPart: (part) => {
          // Owned at once: otherwise another watch may remove it meanwhile.
          for (const item of part as ArmItem[]) {
            if (item.kind === "directory") hub.own(item.watch, this);
            items.push(item);
          }
        },
      });
      if (this.#isClosed) return;
      // Into the inbox: an event that is still in the kernel may also repeat what the list says.
      hub.readDry();
      onArmed?.();
      this.#install(directory, names.length, items, announces);
    } catch (error) {
      this.#disownUnused(items);
      throw error;
    } finally {
      this.#arming--;
      hub.stopArming(this);
    }
  }

  /** The items' names begin at the root of the watch; the directory may have moved since. */
  #install(directory: WatchedDirectory, depth: number, items: readonly ArmItem[], announces: boolean): void {
    const displaced: WatchedDirectory[] = [];
    for (const item of items) {
      let at = directory;
      const names = item.names.slice(depth);
      const parents = item.kind === "entry" ? names.slice(0, -1) : names;
      for (const name of parents) at = this.#tree.child(at, name);
      if (item.kind === "entry") this.#announce(at, names.at(-1) ?? Buffer.alloc(0), item.hasContent);
      else {
        const before = this.#tree.setWatch(at, item.watch);
        if (before !== undefined) displaced.push(before);
        if (announces) this.#expectRepeats(at);
      }
    }
    for (const before of displaced)
      if (before !== directory && this.#tree.isInTree(before) && before.watch === undefined)
        this.#armNew(before);
  }

  #announce(parent: WatchedDirectory, name: Uint8Array, hasContent: boolean): void {
    this.#expectRepeats(parent).add(keyOf(name));
    const path = pathText(this.#pathBelow(parent, name));
    this.#report(path, "create");
    if (hasContent) this.#report(path, "write");
  }

  /** Events that are in the inbox now may say again what a list says. */
  #expectRepeats(directory: WatchedDirectory): Set<string> {
    this.#announced.add(directory);
    const names = directory.announced?.names ?? new Set();
    directory.announced = { names, until: this.#inbox.added };
    return names;
  }

  /** Watches from before the failure belong to nothing. */
  #disownUnused(items: readonly ArmItem[]): void {
    for (const item of items)
      if (item.kind === "directory" && this.#tree.find(item.watch) === undefined)
        this.#options.hub.disown(item.watch, this);
  }

  #inBackground(work: Promise<void>): void {
    this.#arming++;
    work
      .catch((error: unknown) => {
        // The directory is gone already, or was replaced by a file: its events say so.
        if (this.#isClosed || isGone(error)) return;
        this.close();
        this.#options.onFailure(error);
      })
      .finally(() => {
        this.#arming--;
        this.#handleAll();
      });
  }

  #absolute(names: readonly Uint8Array[]): Buffer {
    const path = Buffer.from(this.#options.request.path);
    return Buffer.concat([path, ...names.flatMap((name) => [SLASH, name])]);
  }

  #pathBelow(directory: WatchedDirectory, name: Uint8Array): Buffer {
    const names = this.#tree.namesOf(directory);
    return Buffer.concat([...names.flatMap((above) => [above, SLASH]), name]);
  }

  #reportRescan(name: string): void {
    this.#options.onEvent({ name, type: "write", rescan: true });
  }

  #report(name: string, type: WatchEventType): void {
    this.#options.onEvent({ name, type, rescan: false });
  }
}

const SLASH = Buffer.from("/");

function newAway(): WatchedDirectory {
  const name = Buffer.alloc(0);
  return { parent: undefined, name, watch: undefined, children: new Map(), announced: undefined };
}

/** At most one CREATE for each name: the list and the kernel both report it. */
function wasAnnounced({ announced }: WatchedDirectory, name: Uint8Array, number: number): boolean {
  return announced !== undefined && number < announced.until && announced.names.delete(keyOf(name));
}

function isGone(error: unknown): boolean {
  if (!(error instanceof FileError)) return false;
  return (
    error.code === "not_found" ||
    error.code === "permission_denied" ||
    error.errno === ENOTDIR ||
    error.errno === ELOOP
  );
}

const ENOTDIR = 20;
const ELOOP = 40;
