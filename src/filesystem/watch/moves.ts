// Directories between the two halves of a rename: the kernel reports first that a name left and then
// that a name arrived, with the same cookie. A directory whose arrival is not reported has left the
// tree.

import type { SavedMove } from "./watch-state.ts";
import type { WatchedDirectory, WatchTree } from "./watch-tree.ts";

interface Move {
  readonly directory: WatchedDirectory;
  readonly cookie: number;
  /** Events of it were dropped meanwhile. */
  hasLosses: boolean;
  /** It is kept for one more read of the kernel: the halves may be in two. */
  reads: number;
}

export class Moves {
  readonly #tree: WatchTree;
  readonly #moves: Move[] = [];

  constructor(tree: WatchTree) {
    this.#tree = tree;
  }

  /** The directories that are on their way. */
  get directories(): readonly WatchedDirectory[] {
    return this.#moves.map(({ directory }) => directory);
  }

  save(numberOf: (directory: WatchedDirectory) => number | undefined): SavedMove[] {
    return this.#moves.map(({ directory, ...move }) => ({ ...move, directory: numberOf(directory) ?? 0 }));
  }

  restore(saved: readonly SavedMove[], directories: readonly WatchedDirectory[]): void {
    for (const { directory: number, ...move } of saved) {
      const directory = directories[number];
      if (directory !== undefined) this.#moves.push({ ...move, directory });
    }
  }

  /** `isFollowed`: the other half waits already. */
  leave(parent: WatchedDirectory, name: Uint8Array, cookie: number, isFollowed: boolean): void {
    const directory = this.#tree.detach(parent, name);
    if (directory === undefined) return;
    this.#moves.push({ directory, cookie, hasLosses: false, reads: isFollowed ? 0 : 1 });
  }

  /** Undefined if it does not come from this tree. */
  arrive(parent: WatchedDirectory, name: Buffer, cookie: number): "whole" | "with losses" | undefined {
    const index = this.#moves.findIndex((move) => move.cookie === cookie);
    const move = this.#moves[index];
    if (move === undefined) return undefined;
    this.#moves.splice(index, 1);
    this.#tree.attach(parent, name, move.directory);
    return move.hasLosses ? "with losses" : "whole";
  }

  /** An event of `directory`, which is outside of the tree, is dropped. */
  missed(directory: WatchedDirectory): void {
    let top = directory;
    while (top.parent !== undefined) top = top.parent;
    for (const move of this.#moves) if (move.directory === top) move.hasLosses = true;
  }

  /** The kernel has no more events: a directory that has not arrived by the second time is outside. */
  expire(): void {
    for (const move of [...this.#moves]) {
      if (++move.reads <= 2) continue;
      this.#moves.splice(this.#moves.indexOf(move), 1);
      this.#tree.forget(move.directory);
    }
  }
}
