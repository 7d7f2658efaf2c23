// Watches as plain data: the next image of the agent continues them with the same inotify descriptor, so no event is lost
// (src/handover). Fields are only added; a field keeps its name and its meaning.

import type { InotifyEvent, WatchDescriptor } from "../../linux/index.ts";
import type { Entry } from "../entries/entry.ts";
import type { FileUser } from "../file-user.ts";
import type { NumberedEvent, RawWatchEvent, WatchRequest } from "./watch-event.ts";
import type { WatchedDirectory, WatchTree } from "./watch-tree.ts";

export interface WatchesState {
  /** Of the inotify instance; undefined if nothing is watched. */
  readonly fd?: number | undefined;
  readonly watchers: readonly WatcherState[];
  /** What removed watches counted. */
  readonly ofRemoved: { readonly events: number; readonly rescans: number };
}

export interface WatcherState {
  readonly id: string;
  readonly request: WatchRequest;
  readonly includeEntry: boolean;
  /** Whether it is removed when its reader leaves. */
  readonly endsWithReader: boolean;
  /** When it expires if no client reads it, as a lasting time. */
  readonly dueAtMs?: number | undefined;
  readonly user: FileUser;
  readonly queue: QueueState;
  /** Events whose entries are not looked up yet. */
  readonly incoming: readonly RawWatchEvent[];
  /** Undefined if it failed. */
  readonly directory?: DirectoryState | undefined;
  readonly failure?: SavedFailure | undefined;
}

export interface SavedFailure {
  readonly code: string;
  readonly message: string;
  readonly errno?: number | undefined;
}

export interface QueueState {
  readonly events: readonly SavedEvent[];
  readonly read: number;
  readonly next: number;
  readonly rescans: number;
}

type SavedEntry = Omit<Entry, "modifiedNs"> & { readonly modifiedNs: string };
export type SavedEvent = Omit<NumberedEvent, "entry"> & { readonly entry?: SavedEntry | undefined };

export function saveEvent({ entry, ...event }: NumberedEvent): SavedEvent {
  return { ...event, entry: entry && { ...entry, modifiedNs: String(entry.modifiedNs) } };
}

export function restoreEvent({ entry, ...event }: SavedEvent): NumberedEvent {
  if (entry === undefined) return { ...event, entry: undefined };
  const { symlinkTarget } = entry;
  return { ...event, entry: { ...entry, symlinkTarget, modifiedNs: BigInt(entry.modifiedNs) } };
}

export interface InboxState {
  readonly events: readonly InotifyEvent[];
  /** How many events were taken out before. */
  readonly taken: number;
}

export interface DirectoryState {
  readonly tree: TreeState;
  readonly inbox: InboxState;
  readonly moves: readonly SavedMove[];
  /** The root is gone, and this watch, if there is one, is of a directory above it. */
  readonly away?: { readonly watch?: WatchDescriptor | undefined } | undefined;
  /** Directories that were being armed: this was not finished. */
  readonly arming: readonly number[];
  /** Whether the whole tree was being armed after events were lost. */
  readonly isRecovering: boolean;
}

export interface SavedMove {
  readonly directory: number;
  readonly cookie: number;
  readonly hasLosses: boolean;
  readonly reads: number;
}

/** Directories by number: 0 is the root, and each one comes after its parent. */
export interface TreeState {
  /** NONE: outside of the tree. */
  readonly parents: Uint32Array;
  /** NONE: not watched. */
  readonly watches: Uint32Array;
  readonly nameLengths: Uint32Array;
  /** All names in this order, without anything between them. */
  readonly names: Buffer;
  readonly announced: readonly {
    readonly directory: number;
    readonly names: readonly string[];
    readonly until: number;
  }[];
}

const NONE = 0xffff_ffff;

export interface PackedTree {
  readonly state: TreeState;
  numberOf(directory: WatchedDirectory): number | undefined;
}

/** `outside`: directories that have left the tree, and may come back. */
export function packTree(root: WatchedDirectory, outside: readonly WatchedDirectory[]): PackedTree {
  const all: WatchedDirectory[] = [root, ...outside];
  // Grows while it is read.
  for (const { children } of all) for (const child of children.values()) all.push(child);
  const numbers = new Map(all.map((directory, number) => [directory, number]));
  const parentOf = ({ parent }: WatchedDirectory) => (parent && numbers.get(parent)) ?? NONE;
  const announced = all.flatMap(({ announced: made }, directory) =>
    made === undefined ? [] : [{ directory, names: [...made.names], until: made.until }],
  );
  return {
    state: {
      parents: Uint32Array.from(all, parentOf),
      watches: Uint32Array.from(all, ({ watch }) => watch ?? NONE),
      nameLengths: Uint32Array.from(all, ({ name }) => name.length),
      names: Buffer.concat(all.map(({ name }) => name)),
      announced,
    },
    numberOf: (directory) => numbers.get(directory),
  };
}

/** Returns the directories by number. `tree` must be new. */
export function unpackTree(state: TreeState, tree: WatchTree): readonly WatchedDirectory[] {
  const all: WatchedDirectory[] = [];
  let at = 0;
  for (const [number, parent] of state.parents.entries()) {
    const length = state.nameLengths[number] ?? 0;
    const name = Buffer.from(state.names.subarray(at, at + length));
    at += length;
    const directory = number === 0 ? tree.root : tree.restore(all[parent], name);
    const watch = state.watches[number] ?? NONE;
    if (watch !== NONE) tree.setWatch(directory, watch as WatchDescriptor);
    all.push(directory);
  }
  for (const { directory, names, until } of state.announced) {
    const found = all[directory];
    if (found !== undefined) found.announced = { names: new Set(names), until };
  }
  return all;
}
