// Sends a part of a file: reads the next piece while the one before is being sent. Two buffers, so that a slow receiver
// holds no more than these.

import { HoldfastError } from "../../errors.ts";
import { readAt } from "./file-io.ts";

export interface CopyOut {
  readonly fd: number;
  readonly start: number;
  /** Not included. */
  readonly end: number;
  /** Of the same size. */
  readonly buffers: readonly [Buffer, Buffer];
  /** Resolves when the piece is sent and its memory may be used again. */
  readonly send: (piece: Buffer) => Promise<void>;
}

/** Rejects with `unavailable` if the file became shorter meanwhile: the announced length cannot be sent. */
export async function copyOut({ fd, start, end, buffers, send }: CopyOut): Promise<void> {
  let sending: Promise<void> = Promise.resolve();
  try {
    for (let at = start, turn = 0; at < end; turn = 1 - turn) {
      const buffer = buffers[turn === 0 ? 0 : 1];
      const piece = await readPiece(fd, buffer.subarray(0, Math.min(buffer.length, end - at)), at, end);
      await sending;
      sending = send(piece);
      sending.catch(() => {
        // Reported by the next turn. It can fail during the read before, when nothing waits for it.
      });
      at += piece.length;
    }
  } finally {
    // Until then the connection reads from the buffers.
    await sending.catch(() => {
      // Reported below, or it follows from the error that is reported already.
    });
  }
  await sending;
}

/** Fills `piece` from `at` on; rejects with `unavailable` if the file ends before, and so before the promised `end`. */
export async function readPiece(fd: number, piece: Buffer, at: number, end: number): Promise<Buffer> {
  const bytes = await readAt(fd, piece, at);
  if (bytes < piece.length) throw shrunk(at + bytes, end);
  return piece;
}

function shrunk(size: number, promised: number): HoldfastError {
  return new HoldfastError(
    "unavailable",
    `the file became shorter while it was sent: ${size} bytes instead of ${promised}`,
  );
}
