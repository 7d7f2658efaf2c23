// Sends a part of a file into a socket. The kernel copies from its cache into the socket for as long as the socket has
// room; where it has none, a piece goes through the connection's own queue, which waits for the receiver.

import { type Fd, sendFile } from "../../linux/index.ts";
import { readPiece } from "./copy-out.ts";

/** At a time on one thread: 1 ms of work. */
const MOST_AT_ONCE_BYTES = 4 * 1024 * 1024;
/** Of a piece behind which the socket is expected to have room soon. */
const SHORT_PIECE_BYTES = 16 * 1024;

export interface SendOut {
  readonly fd: number;
  readonly start: number;
  /** Not included. */
  readonly end: number;
  readonly buffer: Buffer;
  /** Non-blocking. It belongs to the caller. */
  readonly socket: Fd;
  /** Resolves when the socket has taken the piece and everything before it. */
  readonly send: (piece: Buffer) => Promise<void>;
  readonly onProgress: () => void;
}

/** Rejects with `unavailable` if the file became shorter meanwhile: the announced length cannot be sent. */
export async function sendOut({ fd, start, end, buffer, socket, send, onProgress }: SendOut): Promise<void> {
  let pieceBytes = buffer.length;
  for (let at = start; at < end; ) {
    const piece = await readPiece(fd, buffer.subarray(0, Math.min(pieceBytes, end - at)), at, end);
    await send(piece);
    at += piece.length;
    // For a slow receiver, and for a file system that has no sendfile.
    pieceBytes = buffer.length;
    for (let sent = buffer.length; at < end && sent >= buffer.length; ) {
      sent = await sendFile(socket, fd, at, Math.min(MOST_AT_ONCE_BYTES, end - at));
      if (sent <= 0) break;
      onProgress();
      at += sent;
      pieceBytes = Math.min(SHORT_PIECE_BYTES, buffer.length);
    }
  }
}
