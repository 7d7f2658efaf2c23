// Things in the order of the times at which they are due. A list of 20,000 costs a few microseconds per change: most are added
// at the end and removed at the beginning, and the others move at most 160 KB.

export interface Due {
  readonly untilMs: number;
}

export class DueList<Item extends Due> {
  readonly #items: Item[] = [];
  /** Items before this have been removed. They are dropped together, because shift() moves all others. */
  #begin = 0;

  get size(): number {
    return this.#items.length - this.#begin;
  }

  /** The one that is due first; of several with one time, the one that was added first. */
  get first(): Item | undefined {
    return this.#items[this.#begin];
  }

  add(item: Item): void {
    this.#items.splice(this.#after(item.untilMs), 0, item);
  }

  /** Does nothing if it is not there. */
  remove(item: Item): void {
    const at = this.#items.indexOf(item, this.#firstAt(item.untilMs));
    if (at < this.#begin) return;
    if (at !== this.#begin) {
      this.#items.splice(at, 1);
      return;
    }
    this.#begin++;
    if (this.#begin > this.#items.length / 2) this.#letGo();
  }

  #letGo(): void {
    this.#items.splice(0, this.#begin);
    this.#begin = 0;
  }

  /** Where the items due later than `untilMs` begin. */
  #after(untilMs: number): number {
    return this.#search((item) => item.untilMs > untilMs);
  }

  /** Where the items due at `untilMs` or later begin. */
  #firstAt(untilMs: number): number {
    return this.#search((item) => item.untilMs >= untilMs);
  }

  /** The first place at which `isFar` holds, as it does at all later ones. */
  #search(isFar: (item: Item) => boolean): number {
    let low = this.#begin;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const item = this.#items[middle];
      if (item !== undefined && isFar(item)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
