// The steps that make a target equal to its source. Pure: they follow from the two inventories and
// the known state of the target. A change of the target is never overwritten or removed silently:
// it is a conflict.

import type { Inventory, Item } from "./inventory.ts";

export interface Question {
  readonly source: Inventory;
  /** Undefined: the directory does not exist yet. */
  readonly target: Inventory | undefined;
  /** The target's items after the last copy, by path. */
  readonly known: ReadonlyMap<string, Item>;
  /** The source's items at the last copy. */
  readonly copied: ReadonlyMap<string, Item>;
  readonly deletes: boolean;
  readonly forces: boolean;
  /** The name of the target for messages: "on the agent". */
  readonly there: string;
}

export interface Conflict {
  readonly path: string;
  readonly reason: string;
}

export interface Answer {
  readonly copy: readonly string[];
  /** To remove at the target, each with everything in it. Before copying. */
  readonly remove: readonly string[];
  readonly conflicts: readonly Conflict[];
  /** Only the content can tell whether they are the same; if it is not, they are conflicts. */
  readonly doubtful: readonly Conflict[];
  /** The same on both sides. */
  readonly same: readonly string[];
}

export function compare(question: Question): Answer {
  const { source, target } = question;
  const answer = {
    ...{ copy: [] as string[], remove: [] as string[], same: [] as string[] },
    ...{ conflicts: [] as Conflict[], doubtful: [] as Conflict[] },
  };
  for (const [path, item] of source.items) {
    if (item.kind === "other" || answer.conflicts.some((above) => path.startsWith(`${above.path}/`)))
      continue;
    const there = target?.items.get(path);
    const verdict = there === undefined ? "copy" : judge(path, item, there, question);
    if (verdict === "copy" || verdict === "same") answer[verdict].push(path);
    else if (verdict === "replace") {
      answer.remove.push(path);
      answer.copy.push(path);
    } else answer[verdict.kind].push({ path, reason: verdict.reason });
  }
  if (question.deletes && target !== undefined) findRemovals(question, target, answer);
  return answer;
}

type Verdict =
  | "copy"
  | "same"
  | "replace"
  | { readonly kind: "conflicts" | "doubtful"; readonly reason: string };

function judge(path: string, item: Item, there: Item, question: Question): Verdict {
  const { known, copied, forces, there: side } = question;
  if (item.kind === "directory" && there.kind === "directory") return "same";
  const last = copied.get(path);
  const isNewHere = last !== undefined && !isSameState(last, item);
  if (isEqual(path, item, there, question) && !isNewHere) return "same";
  const before = known.get(path);
  const isUnchanged = before !== undefined && isSameState(before, there);
  // A file or a link takes the place of another one by itself.
  const needsRoom = (item.kind === "directory") !== (there.kind === "directory");
  if (needsRoom && question.target?.guarded.has(path) === true)
    return { kind: "conflicts", reason: `it is a directory ${side} that holds what is left out` };
  if (isUnchanged || forces) return needsRoom ? "replace" : "copy";
  if (before !== undefined) return { kind: "conflicts", reason: `it has also changed ${side}` };
  if (item.kind !== there.kind)
    return {
      kind: "conflicts",
      reason: `it is a ${item.kind} ${sourceSide(side)} and a ${there.kind} ${side}`,
    };
  if (seconds(there) <= seconds(item)) return "copy";
  const reason = `it is newer ${side}`;
  return item.kind === "file" && item.bytes === there.bytes
    ? { kind: "doubtful", reason }
    : { kind: "conflicts", reason };
}

function sourceSide(side: string): string {
  return side === "on the agent" ? "on this machine" : "on the agent";
}

/** By kind, size, permissions and the second of the last change, which archives keep. Links by where they lead. */
export function isEqual(
  path: string,
  item: Item,
  there: Item,
  question: Pick<Question, "source" | "target">,
): boolean {
  if (item.kind !== there.kind) return false;
  if (item.kind === "link") return leadsToSame(path, item, there, question);
  return item.bytes === there.bytes && item.mode === there.mode && seconds(item) === seconds(there);
}

/** The same version of one side's file. */
function isSameState(a: Item, b: Item): boolean {
  const isSame = a.kind === b.kind && a.leadsTo === b.leadsTo && a.mode === b.mode;
  return isSame && (a.kind !== "file" || (a.bytes === b.bytes && a.mtimeMs === b.mtimeMs));
}

function leadsToSame(
  path: string,
  item: Item,
  there: Item,
  { source, target }: Pick<Question, "source" | "target">,
): boolean {
  const [a, b] = [below(item, source.root), below(there, target?.root ?? "")];
  // The agent says of a link without a target that it leads to itself.
  return a === b || a === `./${path}` || b === `./${path}`;
}

function below({ leadsTo = "" }: Item, root: string): string {
  return leadsTo.startsWith(`${root}/`) ? `.${leadsTo.slice(root.length)}` : leadsTo;
}

function seconds({ mtimeMs }: Item): number {
  return Math.floor(mtimeMs / 1000);
}

/** Parents come before their entries. */
function findRemovals(
  { source, known, forces, there }: Question,
  target: Inventory,
  answer: { remove: string[]; readonly conflicts: Conflict[] },
): void {
  const isFirst = known.size === 0;
  const changed = (path: string, item: Item) => {
    const before = known.get(path);
    return item.kind !== "directory" && !(before !== undefined && isSameState(before, item));
  };
  for (const [path, item] of target.items) {
    if (source.items.has(path) || answer.remove.some((above) => path.startsWith(`${above}/`))) continue;
    if (isFirst || forces || item.kind !== "directory") {
      if (!isFirst && !forces && changed(path, item))
        answer.conflicts.push({ path, reason: `it has changed ${there}, and is gone ${sourceSide(there)}` });
      else if (!target.guarded.has(path)) answer.remove.push(path);
      continue;
    }
    const hasChanges = [...target.items].some(
      ([name, child]) => name.startsWith(`${path}/`) && changed(name, child),
    );
    if (!hasChanges && !target.guarded.has(path)) answer.remove.push(path);
  }
}
