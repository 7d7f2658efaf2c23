// The bytes that an upload has read and the agent has not accepted. A part that may have been lost
// is sent again from here.
//
//   0 ........ start ................ start + heldBytes
//   accepted     | read, not accepted |   not read

import { untilAbort } from "../abort.ts";
import { ClientError } from "../client-errors.ts";
import { assertPiece, isRepeatable, piecesOf } from "./pieces.ts";
import { finalFailure } from "./transfer.ts";
import type { UploadContent } from "./types.ts";

/** Small enough that a slow connection shows progress, large enough to cost little. */
const SLICE_BYTES = 64 * 1024;

export class UnacceptedContent {
  readonly #content: UploadContent;
  #source: AsyncIterator<Uint8Array>;
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;
  #start = 0;
  #isAtEnd = false;

  constructor(content: UploadContent) {
    this.#content = content;
    this.#source = piecesOf(content)[Symbol.asyncIterator]();
  }

  /** The offset of the first byte that is not accepted. */
  get start(): number {
    return this.#start;
  }

  /** Reads until `bytes` are held, or everything that is left. */
  async hold(bytes: number, signal: AbortSignal): Promise<void> {
    while (this.#heldBytes < bytes && !this.#isAtEnd) {
      const { done, value } = await untilAbort(this.#source.next(), signal);
      if (done === true) {
        this.#isAtEnd = true;
        return;
      }
      assertPiece(value);
      if (value.length > 0) {
        this.#pieces.push(value);
        this.#heldBytes += value.length;
      }
    }
  }

  /** The first bytes that are held, at most `bytes`. Call `hold` with more than that first. */
  part(bytes: number): {
    readonly bytes: number;
    readonly isLast: boolean;
    slices(): AsyncIterable<Uint8Array>;
  } {
    const length = Math.min(bytes, this.#heldBytes);
    const pieces = [...this.#pieces];
    return {
      bytes: length,
      isLast: this.#isAtEnd && length === this.#heldBytes,
      slices: () => slicesOf(pieces, length),
    };
  }

  /** The agent has everything before `offset`. */
  accept(offset: number): void {
    if (offset < this.#start || offset > this.#start + this.#heldBytes)
      throw finalFailure(
        new ClientError(
          "data_loss",
          `the agent is at byte ${offset} of the upload, but bytes [${this.#start}, ${this.#start + this.#heldBytes}) are held`,
        ),
      );
    let drop = offset - this.#start;
    this.#start = offset;
    this.#heldBytes -= drop;
    let whole = 0;
    for (const piece of this.#pieces) {
      if (piece.length > drop) break;
      drop -= piece.length;
      whole++;
    }
    this.#pieces.splice(0, whole);
    const [first] = this.#pieces;
    if (first !== undefined && drop > 0) this.#pieces[0] = first.subarray(drop);
  }

  /** Begins at byte 0 again. Returns whether that is possible. */
  restart(): boolean {
    if (this.#start === 0) return true;
    if (!isRepeatable(this.#content)) return false;
    this.close();
    this.#source = piecesOf(this.#content)[Symbol.asyncIterator]();
    this.#pieces = [];
    this.#heldBytes = 0;
    this.#start = 0;
    this.#isAtEnd = false;
    return true;
  }

  /** Tells the source that no more is read. */
  close(): void {
    this.#source.return?.()?.catch(() => {
      // The source's own end failed; nothing of it is needed any more.
    });
  }
}

async function* slicesOf(
  pieces: readonly Uint8Array[],
  bytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  let left = bytes;
  for (const piece of pieces)
    for (let from = 0; from < piece.length && left > 0; from += SLICE_BYTES) {
      const slice = piece.subarray(from, Math.min(from + SLICE_BYTES, from + left));
      left -= slice.length;
      yield slice;
    }
}
