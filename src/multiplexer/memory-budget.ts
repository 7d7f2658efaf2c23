// One bound over everything held for clients (rule 14). Members report what they hold. When the budget
// is spent, members first drop replay, which no client misses now, then the output of ended processes
// (rule 12). After that, processes that are read while detached wait, and reservations fail. Only small input still has
// a reserve of its own: Ctrl-C must reach a program whose output fills the budget.
//
//   not spent --- held reaches the budget, and nothing can be dropped --> spent
//   spent     --- held falls to 7/8 of it ----------------------------> not spent
//
// Memory can be short although little is counted here (src/rpc/memory). Then the budget is spent from a part of its bytes on.

/** The functions of a member for the budget. No function may throw. A member that cannot do one omits it. */
export interface BudgetMember {
  /** Drops its oldest piece of replay and reports; returns false when there is none. Calls no subscriber. */
  trim?(): boolean;
  /** The same with output of an ended process that no attached client needs, delivered or not. */
  trimEnded?(): boolean;
  /** The budget is spent now, or no longer. The member may report from within. */
  onSpentChange?(): void;
}

/** One member's part. After `leave` both functions do nothing. */
export interface BudgetShare {
  /**
   * The bytes that the member holds now. Call it also when the sum is unchanged but more of it
   * became replay.
   */
  report(bytes: number): void;
  /** The last reported bytes; undefined after `leave`. */
  readonly reportedBytes: number | undefined;
  leave(): void;
}

/** The budget has room again when an eighth is free: at the edge itself, every chunk would stop and start a process. */
const ROOM = 7 / 8;

/** The part of the budget that small input may hold when there is no other room. With ROOM it is less than the budget. */
const SMALL_INPUT_PART = 1 / 16;

/** Part of the budget that was held before it was needed. After `release` both functions do nothing. */
export interface Reservation {
  /** Returns false, and changes nothing, when there is no room for more. */
  resize(bytes: number): boolean;
  release(): void;
}

export class MemoryBudget {
  readonly #bytes: number;
  /** The oldest first: it is the first to trim. */
  readonly #members = new Set<BudgetMember>();
  #heldBytes = 0;
  /** The part of `#heldBytes` that is small input. */
  #smallInputBytes = 0;
  /** Nothing more can be dropped. */
  #isFull = false;
  /** What can be used of the budget. */
  #usablePart = 1;
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

  /**
   * From now on `part` of the budget can be used: if more is held, it is spent, producers wait and reservations fail. Nothing
   * is dropped because of it.
   */
  setUsablePart(part: number): void {
    this.#usablePart = part;
    this.#update();
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

  /**
   * Holds `bytes` of something that can fail, such as input; undefined when there is no room. The last
   * eighth is for output: reservations alone never make the budget spent.
   */
  reserve(bytes: number): Reservation | undefined {
    if (!this.#makeRoomFor(bytes)) return undefined;
    const share = this.join({});
    share.report(bytes);
    return {
      resize: (to) => {
        const more = to - (share.reportedBytes ?? to);
        if (more > 0 && !this.#makeRoomFor(more)) return false;
        share.report(to);
        return true;
      },
      release: () => share.leave(),
    };
  }

  /**
   * Holds `bytes` of small input, even while output fills the budget; undefined if small input holds a sixteenth of the
   * budget already. The caller bounds what one process holds of it. Does not make the budget spent without output.
   */
  reserveSmallInput(bytes: number): Pick<Reservation, "release"> | undefined {
    if (this.#smallInputBytes + bytes > this.#bytes * SMALL_INPUT_PART) return undefined;
    const share = this.join({});
    this.#smallInputBytes += bytes;
    share.report(bytes);
    return {
      release: () => {
        this.#smallInputBytes -= share.reportedBytes ?? 0;
        share.leave();
      },
    };
  }

  #makeRoomFor(bytes: number): boolean {
    const limit = this.#bytes * ROOM;
    if (bytes <= 0) return true;
    if (bytes > limit) return false;
    if (this.#usablePart < 1 && this.#heldBytes + bytes > limit * this.#usablePart) return false;
    if (this.#heldBytes + bytes > limit) {
      this.#trim(this.#members, limit - bytes);
      // After the drop, the budget may no longer be spent.
      this.#update();
    }
    return this.#heldBytes + bytes <= limit;
  }

  #update(reporter?: BudgetMember): void {
    // Members that trim report from within.
    if (this.#isTrimming) return;
    // While the budget is full no member can drop anything, except the one that has just reported.
    const room = this.#bytes * ROOM;
    if (this.#isFull) this.#trim(reporter === undefined ? [] : [reporter], room);
    else if (this.#heldBytes >= this.#bytes) this.#trim(this.#members, room);
    this.#isFull = this.#heldBytes >= this.#bytes || (this.#isFull && this.#heldBytes > room);
    const usableBytes = this.#bytes * this.#usablePart * (this.#isSpent ? ROOM : 1);
    const isSpent = this.#isFull || (this.#usablePart < 1 && this.#heldBytes > usableBytes);
    if (isSpent === this.#isSpent) return;
    this.#isSpent = isSpent;
    // Every member is called, even if the state changes on the way: each looks at the current state.
    for (const member of this.#members) member.onSpentChange?.();
  }

  #trim(members: Iterable<BudgetMember>, to: number): void {
    this.#isTrimming = true;
    for (const member of members) while (this.#heldBytes > to && member.trim?.());
    for (const member of members) while (this.#heldBytes > to && member.trimEnded?.());
    this.#isTrimming = false;
  }
}
