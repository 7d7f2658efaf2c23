// Part of the agent's memory budget for one kind of thing, with a headroom: the first bytes are
// held even if the budget is spent, because output may fill all of it.

import type { BudgetShare, MemoryBudget, Reservation } from "../../multiplexer/index.ts";

export type ReservableBudget = Pick<MemoryBudget, "join" | "reserve">;

export class Headroom {
  readonly #budget: ReservableBudget;
  readonly #headroomBytes: number;
  /** The first bytes, up to the headroom. */
  readonly #share: BudgetShare | undefined;
  /** The bytes beyond it. */
  #reservation: Reservation | undefined;
  #heldBytes = 0;

  /** `counts`: whether the headroom is a part of the budget. Otherwise it comes in addition. */
  constructor(budget: ReservableBudget, headroomBytes: number, counts = true) {
    this.#budget = budget;
    this.#headroomBytes = headroomBytes;
    this.#share = counts ? budget.join({}) : undefined;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Holds `bytes` more, or fewer if it is negative. Returns false, and changes nothing, if there is no room for them. */
  add(bytes: number): boolean {
    const sum = this.#heldBytes + bytes;
    if (!this.#reserve(Math.max(0, sum - this.#headroomBytes))) return false;
    this.#heldBytes = sum;
    this.#share?.report(Math.min(sum, this.#headroomBytes));
    return true;
  }

  #reserve(bytes: number): boolean {
    if (bytes === 0) {
      this.#reservation?.release();
      this.#reservation = undefined;
      return true;
    }
    if (this.#reservation !== undefined) return this.#reservation.resize(bytes);
    this.#reservation = this.#budget.reserve(bytes);
    return this.#reservation !== undefined;
  }
}
