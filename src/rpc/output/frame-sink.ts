// Writes frames to one HTTP response, bypassing the layers that would cost a copy or a promise per chunk.

import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { type NodeResponse, unsentOn } from "../../http/index.ts";
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
  /** Writes bytes as they are: the rest of a write that another image of the agent began. */
  writeRest(bytes: Buffer, onAccepted: (error?: Error | null) => void): void;
  /**
   * What was written before, by this sink or the response, and the connection has not accepted. Undefined if that cannot
   * be known.
   */
  unsent(): Buffer | undefined;
  /**
   * Nothing more is written here: passes on at once what is left of a write that is begun, so that the end of the stream
   * can be written behind it. Of a write that is not begun, nothing is sent.
   */
  finish(): void;
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
      ...notCarried((bytes, onAccepted) => writeGathered(response, [bytes], onAccepted)),
      write: (parts, onAccepted) => writeGathered(response, merge(parts), onAccepted),
      finish: () => {
        // All of a write is passed on at once.
      },
      progress: () => (socket === null ? 0 : peerProgress(socket)),
    };
  return chunkedSink(response, socket);
}

/** For a connection with a chunked response of HTTP/1.1 on it that another image of the agent began. */
export function createChunkedSink(socket: Socket): FrameSink {
  return chunkedSink(socket, socket);
}

function notCarried(writeRest: FrameSink["writeRest"]): Pick<FrameSink, "writeRest" | "unsent"> {
  return { writeRest, unsent: () => undefined };
}

/** A slow client accepts a piece of this length well within the stall timeout. */
const SLOW_PIECE_BYTES = 1024;
/** The piece for a client that is not slow, if only accepted pieces show progress: a DATA frame of HTTP/2. */
const PIECE_BYTES = 16 * 1024;
/** A client is slow when a write or a piece takes longer. */
const SLOW_MS = 100;

/** See SessionProgress: on a connection with several output streams, writes are split into pieces. */
function http2Sink(stream: ServerHttp2Stream): FrameSink {
  const { session } = stream;
  const progress = session === undefined ? undefined : new SessionProgress(session);
  stream.once("close", () => progress?.close());
  const { write, finish } = pieceWriter(
    stream,
    (isSlow) => {
      if (progress?.isShared !== true) return Number.POSITIVE_INFINITY;
      return pieceBytesFor(isSlow);
    },
    () => progress?.onPieceAccepted(),
  );
  return {
    ...notCarried((bytes, onAccepted) => write([bytes], onAccepted)),
    write: (parts, onAccepted) => write(merge(parts), onAccepted),
    finish,
    progress: () => progress?.check() ?? 0,
  };
}

function pieceBytesFor(isSlow: boolean): number {
  return isSlow ? SLOW_PIECE_BYTES : PIECE_BYTES;
}

type Write = FrameSink["write"];

interface Writer {
  readonly write: Write;
  /** What is left of the present write when the target has accepted what it was passed. */
  rest(): readonly FramePart[];
  /** Passes it on at once. */
  finish(): void;
}

/** Writes in pieces, one after the other, of at most `pieceBytes`, which receives whether the client is slow. */
function pieceWriter(
  target: Writable,
  pieceBytes: (isSlow: boolean) => number,
  onPieceAccepted: () => void,
): Writer {
  let isSlow = false;
  let left: readonly FramePart[] = [];
  /** Of the write that is written in pieces. */
  let present: Parameters<Write>[1] | undefined;
  let isFinished = false;
  const write: Write = (parts, onAccepted) => {
    const [piece, rest] = isFinished ? [parts, []] : splitAfter(parts, pieceBytes(isSlow));
    left = rest;
    present = onAccepted;
    const startedAtMs = performance.now();
    writeGathered(target, piece, (error) => {
      isSlow = performance.now() - startedAtMs > SLOW_MS;
      onPieceAccepted();
      if (present !== onAccepted) return;
      if (error || left.length === 0) onAccepted(error);
      else write(left, onAccepted);
    });
  };
  return {
    write,
    rest: () => left,
    finish: () => {
      isFinished = true;
      if (left.length === 0 || present === undefined || !target.writable) return;
      const onAccepted = present;
      const rest = left;
      left = [];
      // Not when only the piece under way is accepted: the parts must not change before.
      present = undefined;
      writeGathered(target, rest, onAccepted);
    },
  };
}

const nothing = () => undefined;

/** The first `bytes` of `parts`, and the rest. */
function splitAfter(
  parts: readonly FramePart[],
  bytes: number,
): readonly [first: readonly FramePart[], rest: readonly FramePart[]] {
  if (bytes === Number.POSITIVE_INFINITY) return [parts, []];
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
  const { write, rest, finish } = isUnixSocket(socket) ? unixWriter(socket) : gatheringWriter(socket);
  /** A write waits for the response. */
  let isHeld = false;
  let isFinished = false;
  return {
    unsent: () => (isHeld ? undefined : unsentOf(rest(), response, socket)),
    finish: () => {
      isFinished = true;
      finish();
    },
    writeRest: (bytes, onAccepted) => write([bytes], onAccepted),
    progress: () => peerProgress(socket),
    write: (parts, onAccepted) => {
      let bytes = 0;
      for (const part of parts) bytes += part.length;
      const chunk = merge([`${bytes.toString(16)}\r\n`, ...parts, "\r\n"]);
      isHeld = true;
      whenFlushed(response, socket, () => {
        isHeld = false;
        if (isFinished) onAccepted(new Error("the stream ended before the write began"));
        else write(chunk, onAccepted);
      });
    },
  };
}

/** `rest`: what was not passed to the socket yet. */
function unsentOf(rest: readonly FramePart[], response: Writable, socket: Socket): Buffer | undefined {
  if (response.writableLength > socket.writableLength) return undefined;
  const unsent = unsentOn(socket);
  if (unsent === undefined || rest.length === 0) return unsent;
  return Buffer.concat([
    unsent,
    ...rest.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)),
  ]);
}

function gatheringWriter(socket: Socket): Writer {
  return {
    write: (parts, onAccepted) => writeGathered(socket, parts, onAccepted),
    rest: () => [],
    finish: nothing,
  };
}

/**
 * The kernel reports how far a peer has read a Unix socket only by whole buffers, of up to 48 KiB for a
 * long write. So writes are split into short ones.
 */
function unixWriter(socket: Socket): Writer {
  return pieceWriter(socket, pieceBytesFor, () => {
    // The kernel reports progress.
  });
}

/** A TCP socket has an address. */
function isUnixSocket(socket: Socket): boolean {
  return socket.remoteAddress === undefined;
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
