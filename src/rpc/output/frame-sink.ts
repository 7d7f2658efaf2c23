// Writes frames to one HTTP response, bypassing the layers that would cost a copy or a promise per chunk.

import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { NodeResponse } from "../../http/index.ts";
import { peerProgress } from "../../linux/index.ts";
import { type FramePart, SHORT_PART_BYTES } from "./event-frames.ts";
import { SessionProgress } from "./session-progress.ts";

export interface FrameSink {
  /**
   * Writes all `parts` in order. `onAccepted` is called once, in a later turn or microtask: without an
   * error when the connection (for HTTP/1.1 the kernel) has accepted every byte, with an error when it
   * never will. At most one write at a time: the caller waits for `onAccepted`, and the parts must not
   * change until then.
   */
  write(parts: readonly FramePart[], onAccepted: (error?: Error | null) => void): void;
  /** A number that changes while the peer accepts part of a write, as seen by the kernel. Call it at intervals. */
  progress(): number;
}

/** For a response whose head is written; it need not be flushed. */
export function createFrameSink(response: NodeResponse): FrameSink {
  if ("stream" in response) return http2Sink(response.stream);
  const { socket } = response;
  // Not chunked: HTTP/1.0.
  if (socket === null || !response.chunkedEncoding)
    return {
      write: (parts, onAccepted) => writeGathered(response, merge(parts), onAccepted),
      progress: () => (socket === null ? 0 : peerProgress(socket)),
    };
  return chunkedSink(response, socket);
}

/** A slow client on a shared connection accepts a piece of this length within the shortest useful stall timeout. */
const SLOW_PIECE_BYTES = 1024;
/** One DATA frame of HTTP/2. */
const PIECE_BYTES = 16 * 1024;
const SLOW_PIECE_MS = 100;

/** See SessionProgress: on a connection with several output streams, writes are split into pieces. */
function http2Sink(stream: ServerHttp2Stream): FrameSink {
  const { session } = stream;
  const progress = session === undefined ? undefined : new SessionProgress(session);
  stream.once("close", () => progress?.close());
  let pieceBytes = PIECE_BYTES;
  function writePieces(parts: readonly FramePart[], onAccepted: (error?: Error | null) => void): void {
    const [piece, rest] = progress?.isShared === true ? splitAfter(parts, pieceBytes) : [parts, []];
    const startedAtMs = performance.now();
    writeGathered(stream, piece, (error) => {
      progress?.onPieceAccepted();
      pieceBytes = performance.now() - startedAtMs > SLOW_PIECE_MS ? SLOW_PIECE_BYTES : PIECE_BYTES;
      if (error || rest.length === 0) onAccepted(error);
      else writePieces(rest, onAccepted);
    });
  }
  return {
    write: (parts, onAccepted) => writePieces(merge(parts), onAccepted),
    progress: () => progress?.check() ?? 0,
  };
}

/** The first `bytes` of `parts`, and what is left. */
function splitAfter(
  parts: readonly FramePart[],
  bytes: number,
): readonly [first: readonly FramePart[], rest: readonly FramePart[]] {
  let left = bytes;
  for (const [index, part] of parts.entries()) {
    if (part.length <= left) {
      left -= part.length;
      continue;
    }
    const [head, tail] =
      typeof part === "string"
        ? [part.slice(0, left), part.slice(left)]
        : [part.subarray(0, left), part.subarray(left)];
    const first = left > 0 ? [...parts.slice(0, index), head] : parts.slice(0, index);
    return [first, [tail, ...parts.slice(index + 1)]];
  }
  return [parts, []];
}

/** Encodes HTTP/1.1 chunks itself and writes to the socket: 1.3 times the throughput of `response.write`. */
function chunkedSink(response: Writable, socket: Socket): FrameSink {
  return {
    progress: () => peerProgress(socket),
    write: (parts, onAccepted) => {
      let bytes = 0;
      for (const part of parts) bytes += part.length;
      const chunk = merge([`${bytes.toString(16)}\r\n`, ...parts, "\r\n"]);
      whenFlushed(response, socket, () => writeGathered(socket, chunk, onAccepted));
    },
  };
}

/** Node 26 keeps the head and the first chunk in the response until the next turn; this write must come after them. */
function whenFlushed(response: Writable, socket: Writable, write: () => void): void {
  const isFlushed = response.writableLength <= socket.writableLength || socket.destroyed;
  if (isFlushed) write();
  else setImmediate(whenFlushed, response, socket, write);
}

/** Joins adjacent short parts: each part costs an entry in the writev call. */
function merge(parts: readonly FramePart[]): readonly FramePart[] {
  const merged: FramePart[] = [];
  let short = "";
  for (const part of parts) {
    if (part.length < SHORT_PART_BYTES) {
      short += typeof part === "string" ? part : part.toString("latin1");
      continue;
    }
    if (short !== "") merged.push(short);
    merged.push(part);
    short = "";
  }
  if (short !== "") merged.push(short);
  return merged;
}

function writeGathered(
  target: Writable,
  parts: readonly FramePart[],
  onAccepted: (error?: Error | null) => void,
): void {
  const last = parts.length - 1;
  // A destroyed stream reports data that it did not write as written.
  const onLast = (error?: Error | null) =>
    onAccepted(
      error ??
        (target.destroyed ? new Error("the connection closed before it accepted the write") : undefined),
    );
  target.cork();
  for (const [index, part] of parts.entries()) {
    const done = index === last ? onLast : undefined;
    if (typeof part === "string") target.write(part, "latin1", done);
    else target.write(part, done);
  }
  target.uncork();
}
