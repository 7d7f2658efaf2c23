// Remembers what List has shown, so that a client that polls receives only the processes that changed. Nothing is
// remembered before the first client asks. One row of numbers for each process; the processes themselves are not kept.
//
// A revision counts the answers that found a change. The first one is random in its upper half, so that a revision
// of another agent, or of an earlier generation of this one, is never taken for a revision of this one.

import { kernelRandomBytes } from "../../linux/index.ts";
import type { Process, ProcessTable } from "../../process/index.ts";

/** The values that a selector and a token look at. */
export interface ListedProcess {
  readonly pid: number;
  readonly processId: string;
  readonly request: { readonly tag?: string | undefined };
}

export interface ChangesSince {
  readonly revision: bigint;
  /** Everything counts as changed: the client's revision is not known. */
  readonly isComplete: boolean;
  hasChanged(process: Process): boolean;
  /** Those that are no longer listed. */
  readonly removed: readonly ListedProcess[];
}

interface Removal {
  readonly process: ListedProcess;
  readonly revision: bigint;
}

/** A client that missed more removals than this receives a complete list. */
const MAX_REMOVALS = 1024;

export class ListChanges {
  readonly #table: Pick<ProcessTable, "generation" | "list" | "listEnded">;
  #generation = "";
  #first = 0n;
  #revision = 0n;
  readonly #rows = new Map<string, Row>();
  #looks = 0;
  #removals: Removal[] = [];

  constructor(table: Pick<ProcessTable, "generation" | "list" | "listEnded">) {
    this.#table = table;
  }

  /** The changes since `revision`. `includeEnded`: whether ended processes are listed. */
  since(revision: bigint, includeEnded: boolean): ChangesSince {
    this.#update();
    const isComplete = revision < this.#first || revision > this.#revision;
    const rows = this.#rows;
    return {
      revision: this.#revision,
      isComplete,
      hasChanged: ({ processId }) =>
        isComplete || (rows.get(processId)?.revision ?? revision + 1n) > revision,
      removed: isComplete ? [] : [...this.#removedSince(revision), ...this.#ended(includeEnded, revision)],
    };
  }

  #removedSince(revision: bigint): ListedProcess[] {
    return this.#removals.filter((removal) => removal.revision > revision).map(({ process }) => process);
  }

  #ended(includeEnded: boolean, revision: bigint): ListedProcess[] {
    if (includeEnded) return [];
    return [...this.#rows.values()].filter((row) => row.hasEnded && row.revision > revision);
  }

  #update(): void {
    this.#followGeneration();
    const next = this.#revision + 1n;
    this.#looks++;
    let hasChanged = false;
    for (const process of this.#table.listEnded()) if (this.#look(process, next)) hasChanged = true;
    for (const process of this.#table.list()) if (this.#look(process, next)) hasChanged = true;
    for (const [processId, row] of this.#rows) {
      if (row.seen === this.#looks) continue;
      hasChanged = true;
      this.#rows.delete(processId);
      const { pid, request } = row;
      this.#removals.push({ process: { pid, processId, request }, revision: next });
    }
    if (hasChanged) this.#revision = next;
    const dropped = this.#removals.splice(0, Math.max(0, this.#removals.length - MAX_REMOVALS)).at(-1);
    if (dropped !== undefined) this.#first = dropped.revision;
  }

  #look(process: Process, revision: bigint): boolean {
    const row = this.#rows.get(process.processId) ?? new Row(process);
    const hasChanged = row.update(process);
    row.seen = this.#looks;
    if (!hasChanged) return false;
    row.revision = revision;
    this.#rows.set(process.processId, row);
    return true;
  }

  /** A clone of this machine continues with the same numbers and other processes. */
  #followGeneration(): void {
    const { id } = this.#table.generation;
    if (this.#generation === id) return;
    this.#generation = id;
    this.#first = (BigInt(kernelRandomBytes(4).readUInt32LE() >>> 1) << 32n) + 1n;
    this.#revision = this.#first;
    this.#rows.clear();
    this.#removals = [];
  }
}

/** The values that List shows and that change. */
class Row implements ListedProcess {
  readonly pid: number;
  readonly processId: string;
  readonly request: { readonly tag?: string | undefined };
  /** Of the last change. */
  revision = 0n;
  /** The number of the last look at all processes. */
  seen = 0;
  hasEnded = false;
  #head = -1;
  #heldBytes = 0;
  #subscribers = 0;
  #attachOffset = 0;
  #isReading = false;
  #pausedReason: string | undefined;
  #slowestOffset: number | undefined;
  #isBlocked = false;
  #startedAtMs = 0;
  #size: object | undefined;

  constructor({ pid, processId, request: { tag } }: Process) {
    this.pid = pid;
    this.processId = processId;
    this.request = { tag };
  }

  /** Whether a value has changed since the last call. Time that passes is not a change. */
  update({ output, startedAtMs, blockedMs, terminalSize }: Process): boolean {
    const { head, heldBytes, subscriberCount, attachOffset, isReading, pausedReason, slowestOffset } = output;
    const hasEnded = output.end !== undefined;
    const isBlocked = blockedMs !== undefined;
    if (
      this.#head === head &&
      this.#heldBytes === heldBytes &&
      this.#subscribers === subscriberCount &&
      this.#attachOffset === attachOffset &&
      this.#isReading === isReading &&
      this.#pausedReason === pausedReason &&
      this.#slowestOffset === slowestOffset &&
      this.#isBlocked === isBlocked &&
      this.#startedAtMs === startedAtMs &&
      this.#size === terminalSize &&
      this.hasEnded === hasEnded
    )
      return false;
    this.#head = head;
    this.#heldBytes = heldBytes;
    this.#subscribers = subscriberCount;
    this.#attachOffset = attachOffset;
    this.#isReading = isReading;
    this.#pausedReason = pausedReason;
    this.#slowestOffset = slowestOffset;
    this.#isBlocked = isBlocked;
    this.#startedAtMs = startedAtMs;
    this.#size = terminalSize;
    this.hasEnded = hasEnded;
    return true;
  }
}
