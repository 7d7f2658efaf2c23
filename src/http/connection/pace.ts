// Begins few new connections, requests of one HTTP/2 connection, or large messages in one turn of the event loop. Hundreds
// that come at once would take half a second together, in which no other client is served (rule 15), and would all be in
// memory before it is looked at (rule 14).

/** About 20 ms, if each brings a head of 15 KB that is refused. */
export const MAX_PER_TURN = 32;

export class Pace {
  readonly #perTurn: number;
  #leftInTurn: number;
  /** A turn is over when this comes. */
  #next: NodeJS.Immediate | undefined;
  /** The oldest first. */
  readonly #waiting: (() => void)[] = [];

  /** `perTurn`: how many begin in a turn. */
  constructor(perTurn = MAX_PER_TURN) {
    this.#perTurn = perTurn;
    this.#leftInTurn = perTurn;
  }

  /** Calls `begin` now, or in one of the next turns, in the order of the calls. It may not throw. */
  add(begin: () => void): void {
    if (this.#waiting.length > 0 || this.#leftInTurn === 0) this.#waiting.push(begin);
    else {
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
      const begin = this.#waiting.shift();
      if (begin === undefined) break;
      this.#leftInTurn--;
      begin();
    }
    if (this.#leftInTurn < this.#perTurn) this.#next ??= setImmediate(() => this.#nextTurn());
  }
}
