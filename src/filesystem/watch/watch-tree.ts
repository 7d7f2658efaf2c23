// The watched directories of one watch as a tree of names, which follows renames. A directory that
// moves within the tree keeps its watch and gets its new name; one that leaves the tree is forgotten
// with everything below it.
//
// I1  Every directory in the tree is reached from the root by names, and no other has a watch here.
// I2  A watch belongs to one directory.

import type { WatchDescriptor } from "../../linux/index.ts";

export interface WatchedDirectory {
  /** Undefined for the root, and for a directory outside of the tree. */
  parent: WatchedDirectory | undefined;
  name: Buffer;
  /** Undefined if it is not watched (any more). */
  watch: WatchDescriptor | undefined;
  /** By name in Latin-1, which keeps every byte. */
  readonly children: Map<string, WatchedDirectory>;
  /** The names that a list of it has announced already, until the events up to `until` are handled. */
  announced: { readonly names: Set<string>; readonly until: number } | undefined;
}

export class WatchTree {
  readonly root: WatchedDirectory = newDirectory(undefined, Buffer.alloc(0));
  readonly #byWatch = new Map<WatchDescriptor, WatchedDirectory>();
  readonly #onForgotten: (watch: WatchDescriptor) => void;

  /** `onForgotten` gets each watch that the tree no longer uses. */
  constructor(onForgotten: (watch: WatchDescriptor) => void) {
    this.#onForgotten = onForgotten;
  }

  find(watch: WatchDescriptor): WatchedDirectory | undefined {
    return this.#byWatch.get(watch);
  }

  /** The names from the root. */
  namesOf(directory: WatchedDirectory): Buffer[] {
    const names: Buffer[] = [];
    for (let at = directory; at.parent !== undefined; at = at.parent) names.push(at.name);
    return names.reverse();
  }

  isInTree(directory: WatchedDirectory): boolean {
    let at = directory;
    while (at.parent !== undefined) at = at.parent;
    return at === this.root;
  }

  /** The directory with this name, which is added if it is not there. */
  child(parent: WatchedDirectory, name: Uint8Array): WatchedDirectory {
    const key = keyOf(name);
    const known = parent.children.get(key);
    if (known !== undefined) return known;
    const child = newDirectory(parent, Buffer.from(name));
    parent.children.set(key, child);
    return child;
  }

  /** A directory of another image of the agent; without a parent, one that has left the tree. Names are not compared. */
  restore(parent: WatchedDirectory | undefined, name: Buffer): WatchedDirectory {
    const directory = newDirectory(parent, name);
    parent?.children.set(keyOf(name), directory);
    return directory;
  }

  /** Returns the directory that had this watch before: it was renamed while it was looked up. */
  setWatch(directory: WatchedDirectory, watch: WatchDescriptor): WatchedDirectory | undefined {
    const before = this.#byWatch.get(watch);
    if (before === directory) return undefined;
    if (before !== undefined) before.watch = undefined;
    this.clearWatch(directory);
    directory.watch = watch;
    this.#byWatch.set(watch, directory);
    return before;
  }

  clearWatch(directory: WatchedDirectory): void {
    const { watch } = directory;
    if (watch === undefined) return;
    directory.watch = undefined;
    this.#byWatch.delete(watch);
    this.#onForgotten(watch);
  }

  /** Takes the directory `name` out of the tree, with everything below it; its watches stay. */
  detach(parent: WatchedDirectory, name: Uint8Array): WatchedDirectory | undefined {
    const child = parent.children.get(keyOf(name));
    if (child === undefined) return undefined;
    parent.children.delete(keyOf(name));
    child.parent = undefined;
    return child;
  }

  /** In place of the entry that has that name. */
  attach(parent: WatchedDirectory, name: Buffer, directory: WatchedDirectory): void {
    const replaced = this.detach(parent, name);
    if (replaced !== undefined) this.forget(replaced);
    directory.parent = parent;
    directory.name = name;
    parent.children.set(keyOf(name), directory);
  }

  /** A detached directory, or the content of the root. */
  forget(directory: WatchedDirectory): void {
    const open = [directory];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      this.clearWatch(at);
      open.push(...at.children.values());
      at.children.clear();
    }
  }
}

export function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString("latin1");
}

function newDirectory(parent: WatchedDirectory | undefined, name: Buffer): WatchedDirectory {
  return { parent, name, watch: undefined, children: new Map(), announced: undefined };
}
