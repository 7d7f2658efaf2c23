// One round of a synchronization: looks at paths of both sides, compares them, and copies and
// removes files.

import { type Answer, type Conflict, compare, isEqual } from "./compare.ts";
import type { Inventory, Item } from "./inventory.ts";
import type { Side } from "./sides.ts";

export interface RoundContext {
  readonly source: Side;
  readonly target: Side;
  readonly deletes: boolean;
  readonly forces: boolean;
  transfer(source: Inventory, paths: readonly string[]): Promise<void>;
}

export interface RoundResult {
  readonly copied: readonly string[];
  readonly removed: readonly string[];
  readonly conflicts: readonly Conflict[];
  readonly bytes: number;
}

/** With more paths than this, looking at all is quicker than at each. */
const MAX_SINGLE = 200;

/** So close to the present, a file may change again without another time. */
const SAME_TICK_MS = 50;

export class Synchronization {
  readonly #context: RoundContext;
  /** The target's items after the last copy, and those of the source before it. */
  readonly #known = new Map<string, Item>();
  readonly #copied = new Map<string, Item>();

  constructor(context: RoundContext) {
    this.#context = context;
  }

  /** `paths` may have changed; `""` is everything. Undefined if the source is missing. May be repeated after a failure. */
  async run(paths: readonly string[]): Promise<RoundResult | undefined> {
    const { source, target, deletes, forces } = this.#context;
    const looked = outermost(paths);
    const atMs = Date.now();
    const found = await inventoryOf(source, looked);
    if (found === undefined) return undefined;
    const before = await inventoryOf(target, looked);
    const maps = { known: this.#known, copied: this.#copied };
    const answer = compare({ source: found, target: before, ...maps, deletes, forces, there: target.name });
    const { conflicts, same } = await this.#settleDoubts(answer);
    for (const path of answer.remove) {
      await target.remove(path);
      for (const known of [path, ...below(path, [...this.#known.keys()])]) this.#forget(known);
    }
    if (answer.copy.length > 0) await this.#context.transfer(found, answer.copy);
    const after = answer.copy.length === 0 ? before : await inventoryOf(target, looked);
    this.#note([...answer.copy, ...same], found, after, atMs);
    for (const { path } of conflicts) this.#forgetSource(path);
    const bytes = answer.copy.reduce((sum, path) => sum + (found.items.get(path)?.bytes ?? 0), 0);
    return { copied: answer.copy, removed: answer.remove, conflicts, bytes };
  }

  async #settleDoubts(answer: Answer): Promise<{ conflicts: Conflict[]; same: string[] }> {
    const { source, target } = this.#context;
    const [conflicts, same] = [[...answer.conflicts], [...answer.same]];
    for (const doubt of answer.doubtful) {
      const isSame = (await source.digest(doubt.path)) === (await target.digest(doubt.path));
      if (isSame) same.push(doubt.path);
      else conflicts.push(doubt);
    }
    return { conflicts, same };
  }

  /** Only files that are as they were sent are known: another program may have changed others. */
  #note(paths: readonly string[], source: Inventory, target: Inventory | undefined, atMs: number): void {
    for (const path of paths) {
      const [item, there] = [source.items.get(path), target?.items.get(path)];
      if (item === undefined || there === undefined || !isEqual(path, item, there, { source, target }))
        this.#forget(path);
      else {
        this.#known.set(path, there);
        const isCertain = Math.abs(atMs - item.mtimeMs) > SAME_TICK_MS;
        // NaN is not a time: the next change of the path is copied, with any time.
        this.#copied.set(path, isCertain ? item : { ...item, mtimeMs: Number.NaN });
      }
    }
  }

  #forget(path: string): void {
    this.#known.delete(path);
    this.#copied.delete(path);
  }

  /** It stays a conflict until one side changes. */
  #forgetSource(path: string): void {
    this.#copied.delete(path);
  }
}

function outermost(paths: readonly string[]): string[] {
  if (paths.length > MAX_SINGLE || paths.includes("")) return [""];
  return paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)));
}

function below(path: string, paths: readonly string[]): string[] {
  return paths.filter((other) => other.startsWith(`${path}/`));
}

async function inventoryOf(side: Side, paths: readonly string[]): Promise<Inventory | undefined> {
  const items = new Map<string, Item>();
  const guarded = new Set<string>();
  let root = "";
  for (const path of paths) {
    const found = await side.inventory(path);
    if (found === undefined) return undefined;
    for (const [name, item] of found.items) items.set(name, item);
    for (const name of found.guarded) guarded.add(name);
    root = found.root;
  }
  return { items, guarded, root };
}
