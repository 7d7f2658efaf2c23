// One bound over everything held for clients (rule 14). Members report what they hold. When the budget
// is spent, members first drop replay, which no client misses now; then those that read ahead while
// detached wait until there is room.
//
//   not spent --- held reaches the budget, and no replay is left --> spent
//   spent     --- held falls to 7/8 of it -------------------------> not spent

/** What a member does for the budget. Neither function may throw. */
export interface BudgetMember {
  /** Drops its oldest piece of replay and reports; returns false when there is none. Calls no subscriber. */
  trim(): boolean;
  /** The budget is spent now, or no longer. The member may report from within. */
  onSpentChange(): void;
}

/** One member's part. After `leave` both functions do nothing. */
export interface BudgetShare {
  /** What the member holds now. Call it also when the sum is unchanged but more of it became replay. */
  report(bytes: number): void;
  /** What was reported last; undefined after `leave`. */
  readonly reportedBytes: number | undefined;
  leave(): void;
}

/** The budget has room again when an eighth is free: at the edge itself, every chunk would stop and start a process. */
const ROOM = 7 / 8;

export class MemoryBudget {
  readonly #bytes: number;
  /** The oldest first: it is the first to trim. */
  readonly #members = new Set<BudgetMember>();
  #heldBytes = 0;
  #isSpent = false;
  #isTrimming = false;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** The most that all members may hold together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All that members hold. Exceeds the budget only by the little that attached clients need to continue. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isSpent(): boolean {
    return this.#isSpent;
  }

  /** `member` begins with nothing held. */
  join(member: BudgetMember): BudgetShare {
    let held = 0;
    let hasLeft = false;
    this.#members.add(member);
    return {
      get reportedBytes() {
        return hasLeft ? undefined : held;
      },
      report: (bytes) => {
        if (hasLeft) return;
        this.#heldBytes += bytes - held;
        held = bytes;
        this.#update(member);
      },
      leave: () => {
        if (hasLeft) return;
        hasLeft = true;
        this.#members.delete(member);
        this.#heldBytes -= held;
        this.#update();
      },
    };
  }

  #update(reporter?: BudgetMember): void {
    // Members that trim report from within.
    if (this.#isTrimming) return;
    // While the budget is spent no member has replay left, except the one that has just reported.
    if (this.#isSpent) this.#trim(reporter === undefined ? [] : [reporter]);
    else if (this.#heldBytes >= this.#bytes) this.#trim(this.#members);
    const isSpent = this.#heldBytes >= this.#bytes || (this.#isSpent && !this.#hasRoom);
    if (isSpent === this.#isSpent) return;
    this.#isSpent = isSpent;
    // Every member is called, even if the state changes on the way: each looks at the current state.
    for (const member of this.#members) member.onSpentChange();
  }

  get #hasRoom(): boolean {
    return this.#heldBytes <= this.#bytes * ROOM;
  }

  #trim(members: Iterable<BudgetMember>): void {
    this.#isTrimming = true;
    for (const member of members) while (!this.#hasRoom && member.trim());
    this.#isTrimming = false;
  }
}
