// One bound over all windows (rule 9). Windows report what they hold; when it is spent they are first asked to let go of
// replay, which nobody misses now, and who reads ahead for nobody must wait until there is room.
//
//   not spent --- held reaches the budget, and there is no replay left --> spent
//   spent     --- held falls to 7/8 of it ------------------------------> not spent

/** What a window does for the budget. Neither may throw. */
export interface BudgetMember {
  /** Lets go of the oldest piece of replay and reports; false when there is none. Calls nobody. */
  shed(): boolean;
  /** The budget is spent now, or no longer. May report in turn. */
  onSpentChange(): void;
}

/** One member's part. After `leave` both do nothing. */
export interface BudgetShare {
  /** Says what the member holds now. To be called also when that is as much as before, but more of it is replay. */
  report(bytes: number): void;
  leave(): void;
}

/** Room counts as room when an eighth is free: at the very edge every chunk would stop and start somebody. */
const ROOM = 7 / 8;

export class MemoryBudget {
  readonly #bytes: number;
  /** The oldest first: it is the first to shed. */
  readonly #members = new Set<BudgetMember>();
  #heldBytes = 0;
  #isSpent = false;
  #isShedding = false;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** What all may hold together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All that members hold. Above the budget only by what attached clients must have to go on. */
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
    // Shedding reports, too.
    if (this.#isShedding) return;
    // While it is spent nobody has replay left, but who has just reported may have some anew.
    if (this.#isSpent) this.#shed(reporter === undefined ? [] : [reporter]);
    else if (this.#heldBytes >= this.#bytes) this.#shed(this.#members);
    const isSpent = this.#heldBytes >= this.#bytes || (this.#isSpent && !this.#hasRoom);
    if (isSpent === this.#isSpent) return;
    this.#isSpent = isSpent;
    // All of them, whatever becomes of it on the way: each looks at what is so when it is told.
    for (const member of this.#members) member.onSpentChange();
  }

  get #hasRoom(): boolean {
    return this.#heldBytes <= this.#bytes * ROOM;
  }

  #shed(members: Iterable<BudgetMember>): void {
    this.#isShedding = true;
    for (const member of members) while (!this.#hasRoom && member.shed());
    this.#isShedding = false;
  }
}
