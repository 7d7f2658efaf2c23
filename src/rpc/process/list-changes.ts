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
  #generation: string | undefined;
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
    const before = this.#latest(order.last);
    const fresh = this.#seenSince(before, order);
    const latest = this.#number(before, fresh, order.last);
    const known =
      revision > latest.revision ? undefined : this.#points.findLast((point) => point.revision <= revision);
    if (known === undefined) return { revision: latest.revision, changes: undefined };
    // A client that polls alone knows the point before.
    const changes = known === before ? fresh : this.#seenSince(known, order);
    return { revision: latest.revision, changes };
  }

  /** The latest point. A clone of this machine begins anew: it continues with the same numbers and other processes. */
  #latest(last: number): Point {
    const { id } = this.#table.generation;
    const latest = this.#points.at(-1);
    if (latest !== undefined && this.#generation === id) return latest;
    const first = firstPoint(last);
    this.#generation = id;
    this.#points = [first];
    return first;
  }

  /** The point of the end of the order, `last`. `fresh` is what is seen since `before`, undefined if that is not known. */
  #number(before: Point, fresh: readonly SeenChange[] | undefined, last: number): Point {
    if (fresh !== undefined && fresh.length === 0) {
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
}

function firstPoint(upTo: number): Point {
  return { revision: (BigInt(kernelRandomBytes(4).readUInt32LE() >>> 1) << 32n) + 1n, upTo };
}
