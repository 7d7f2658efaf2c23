// Numbers what one token sees change, so that a client that polls receives only the processes that changed. Each has its
// own numbers: those of a limited token must not show that other processes changed. Nothing is remembered before the
// first client asks, and then a few numbers; the order of the changes is the table's.
//
// A revision counts the answers that found a change. The first one is random in its upper half, so that a revision
// of another agent, or of an earlier generation of this one, is never taken for a revision of this one.

import { kernelRandomBytes } from "../../linux/index.ts";
import type { ChangeOrder, ListedProcess, Process, ProcessTable } from "../../process/index.ts";

export type SeenChange = NonNullable<ReturnType<ChangeOrder<Process>["since"]>>[number];

export interface ChangesSince {
  readonly revision: bigint;
  /** Each process once. Undefined: the client's revision is not known, so everything counts as changed. */
  readonly changes: readonly SeenChange[] | undefined;
}

/** Nothing that is seen changed between `upTo`, a number of the table's order, and the next point. */
interface Point {
  readonly revision: bigint;
  upTo: number;
}

/** One more, and every second one of the older half is dropped. */
const MAX_POINTS = 512;

export class ListChanges {
  readonly #table: Pick<ProcessTable, "detectChanges" | "generation">;
  readonly #sees: (process: ListedProcess) => boolean;
  #generation = "";
  /** In order. Of a revision between two points, changes since the earlier one are sent: more than needed, never less. */
  #points: Point[] = [];

  constructor(
    table: Pick<ProcessTable, "detectChanges" | "generation">,
    sees: (process: ListedProcess) => boolean,
  ) {
    this.#table = table;
    this.#sees = sees;
  }

  since(revision: bigint): ChangesSince {
    const order = this.#table.detectChanges();
    this.#followGeneration(order.last);
    const latest = this.#update(order);
    const known =
      revision > latest.revision ? undefined : this.#points.findLast((point) => point.revision <= revision);
    return {
      revision: latest.revision,
      changes: known === undefined ? undefined : this.#seenSince(known, order),
    };
  }

  /** The latest point, with the end of the order. */
  #update(order: ChangeOrder<Process>): Point {
    const before = this.#points.at(-1) ?? firstPoint(order.last);
    const changes = this.#seenSince(before, order);
    const { last } = order;
    if (changes !== undefined && changes.length === 0) {
      before.upTo = last;
      return before;
    }
    const latest = { revision: before.revision + 1n, upTo: last };
    this.#points.push(latest);
    if (this.#points.length > MAX_POINTS)
      this.#points = this.#points.filter((_, index) => index > MAX_POINTS / 2 || index % 2 === 0);
    return latest;
  }

  #seenSince({ upTo }: Point, order: ChangeOrder<Process>): SeenChange[] | undefined {
    return order.since(upTo)?.filter(({ listed }) => this.#sees(listed));
  }

  /** A clone of this machine continues with the same numbers and other processes. */
  #followGeneration(last: number): void {
    const { id } = this.#table.generation;
    if (this.#generation === id) return;
    this.#generation = id;
    this.#points = [firstPoint(last)];
  }
}

function firstPoint(upTo: number): Point {
  return { revision: (BigInt(kernelRandomBytes(4).readUInt32LE() >>> 1) << 32n) + 1n, upTo };
}
