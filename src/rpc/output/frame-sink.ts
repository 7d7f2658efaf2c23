// Writes frames to one HTTP response, bypassing the layers that would cost a copy or a promise per chunk.

import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { NodeResponse } from "../../http/index.ts";
import { askKernel } from "../../linux/index.ts";
import { type FramePart, SHORT_PART_BYTES } from "./event-frames.ts";

export interface FrameSink {
  /**
   * Writes all `parts` in order. `onAccepted` is called once, in a later turn or microtask: without an
   * error when the connection (for HTTP/1.1 the kernel) has accepted every byte, with an error when it
   * never will. At most one write at a time: the caller waits for `onAccepted`, and the parts must not
   * change until then.
   */
  write(parts: readonly FramePart[], onAccepted: (error?: Error | null) => void): void;
  /** Grows while the peer accepts part of a write. Constant for HTTP/2, where streams share a connection. */
  acceptedBytes(): number;
}

/** For a response whose head is written; it need not be flushed. */
export function createFrameSink(response: NodeResponse): FrameSink {
  if ("stream" in response) return plainSink(response.stream);
  // Not chunked: HTTP/1.0.
  if (response.socket === null || !response.chunkedEncoding) return plainSink(response);
  return chunkedSink(response, response.socket);
}

function plainSink(target: Writable): FrameSink {
  return {
    write: (parts, onAccepted) => writeGathered(target, merge(parts), onAccepted),
    acceptedBytes: () => 0,
  };
}

/** Encodes HTTP/1.1 chunks itself and writes to the socket: 1.3 times the throughput of `response.write`. */
function chunkedSink(response: Writable, socket: Socket): FrameSink {
  return {
    acceptedBytes: () => askKernel(socket).acknowledgedBytes,
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
