// Begins few new connections, requests over HTTP/2, or large messages in one turn of the event loop. Hundreds
// that come at once would take half a second together, in which no other client is served (rule 15), and would all be in
// memory before it is looked at (rule 14).

/** About 20 ms, if each brings a head of 15 KB that is refused. */
export const MAX_PER_TURN = 32;

export class Pace {
  readonly #perTurn: number;
  #leftInTurn: number;
  /** A turn is over when this comes. */
  #next: NodeJS.Immediate | undefined;
  /** Of each owner the oldest first. The owner whose turn is next comes first. */
  readonly #waiting = new Map<object, (() => void)[]>();

  /** `perTurn`: how many begin in a turn. */
  constructor(perTurn = MAX_PER_TURN) {
    this.#perTurn = perTurn;
    this.#leftInTurn = perTurn;
  }

  /**
   * Calls `begin` now, or in one of the next turns. It may not throw. Those of one owner begin in the order of the calls, and
   * owners that wait take turns: one with a thousand delays the others by one at a time.
   */
  add(begin: () => void, owner: object = this): void {
    if (this.#waiting.size > 0 || this.#leftInTurn === 0) {
      const others = this.#waiting.get(owner);
      if (others === undefined) this.#waiting.set(owner, [begin]);
      else others.push(begin);
    } else {
      this.#leftInTurn--;
      begin();
    }
    this.#next ??= setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#next = undefined;
    this.#leftInTurn = this.#perTurn;
    // What is added from within comes after those that wait.
    while (this.#leftInTurn > 0) {
      const begin = this.#takeNext();
      if (begin === undefined) break;
      this.#leftInTurn--;
      begin();
    }
    if (this.#leftInTurn < this.#perTurn) this.#next ??= setImmediate(() => this.#nextTurn());
  }

  #takeNext(): (() => void) | undefined {
    for (const [owner, begins] of this.#waiting) {
      const begin = begins.shift();
      this.#waiting.delete(owner);
      if (begins.length > 0) this.#waiting.set(owner, begins);
      return begin;
    }
    return undefined;
  }
}
