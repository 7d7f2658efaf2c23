// A set of bytes for the reference model: naive on purpose, each change builds a new list.

type Range = readonly [from: number, to: number];

export class ByteRanges {
  #ranges: readonly Range[] = [];

  get high(): number {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }

  add(from: number, to: number): void {
    if (from >= to || this.contains(from, to)) return;
    const apart = this.#ranges.filter((range) => range[1] < from || range[0] > to);
    const touching = this.#ranges.filter((range) => range[1] >= from && range[0] <= to);
    const low = Math.min(from, ...touching.map((range) => range[0]));
    const high = Math.max(to, ...touching.map((range) => range[1]));
    this.#ranges = [...apart, [low, high] as const].sort((a, b) => a[0] - b[0]);
  }

  /** Adds what `other` contains below `to`. */
  addBelow(other: ByteRanges, to: number): void {
    for (const [low, high] of other.#ranges) this.add(low, Math.min(high, to));
  }

  contains(from: number, to: number): boolean {
    return from >= to || this.#ranges.some((range) => range[0] <= from && range[1] >= to);
  }

  /** The first byte at or above `from` that is not in the set. */
  firstOutside(from: number): number {
    const range = this.#ranges.find(([low, high]) => low <= from && high > from);
    return range?.[1] ?? from;
  }

  /** How many bytes of `[from, to)` are in the set. */
  bytesIn(from: number, to: number): number {
    let bytes = 0;
    for (const [low, high] of this.#ranges) bytes += Math.max(0, Math.min(high, to) - Math.max(low, from));
    return bytes;
  }

  toString(): string {
    return this.#ranges.map(([low, high]) => `[${low}, ${high})`).join(" ") || "nothing";
  }
}
