// The bytes of an archive, which arrive in pieces of any size, in the amounts that its reader asks for. Holds one piece, and
// copies only what lies across two.

export class ArchiveBytes {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Errors of `pieces` are passed on unchanged. */
  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next bytes, at most `max`; empty only at the end. They are a part of a piece: the receiver does not keep them. */
  async some(max: number): Promise<Buffer> {
    if (this.#at === this.#piece.length) await this.#advance();
    const bytes = this.#piece.subarray(this.#at, this.#at + max);
    this.#at += bytes.length;
    return bytes;
  }

  /** `count` bytes, or fewer at the end. The same holds for them. */
  async exactly(count: number): Promise<Buffer> {
    const first = await this.some(count);
    if (first.length === count || first.length === 0) return first;
    const parts = [first];
    for (let missing = count - first.length; missing > 0; ) {
      const more = await this.some(missing);
      if (more.length === 0) break;
      parts.push(more);
      missing -= more.length;
    }
    return Buffer.concat(parts);
  }

  /** Returns how many there were: fewer at the end. */
  async skip(count: number): Promise<number> {
    let skipped = 0;
    while (skipped < count) {
      const { length } = await this.some(count - skipped);
      if (length === 0) break;
      skipped += length;
    }
    return skipped;
  }

  /** Ends the source. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #advance(): Promise<void> {
    this.#at = 0;
    for (;;) {
      const { done, value } = await this.#pieces.next();
      if (done === true) {
        this.#piece = Buffer.alloc(0);
        return;
      }
      if (value.length === 0) continue;
      this.#piece = Buffer.from(value.buffer, value.byteOffset, value.length);
      return;
    }
  }
}
