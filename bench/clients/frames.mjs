// Walks the envelopes of a Start stream as its bytes arrive, at any split, and counts the delivered
// payload bytes.
//
//   | flags 1 | length 4 | message: structure, 64 KiB of payload or more, structure |
//
// It checks every frame's flags, length and structure, and skips only the content of the payload,
// which check.mjs checks once per server and transport. It refuses frames whose nested lengths
// disagree, a stream that does not begin with one start event or end with one end event, an exit
// code other than 0, and an error in the last frame.

import { describeFrame } from "./messages.mjs";

const headerBytes = 5;
/**
 * Messages up to this size are kept as a whole. Of larger ones the first and last bytes are kept,
 * which hold everything but the payload.
 */
const wholeBytes = 4096;
const headBytes = 256;
const tailBytes = 64;

/** @param {import("../servers/lineup.mjs").Codec} codec */
export function createFrameCounter(codec) {
  const header = Buffer.alloc(headerBytes);
  const kept = Buffer.alloc(wholeBytes);
  let headerAt = 0;
  let messageAt = 0;
  let messageBytes = 0;
  let keptBytes = 0;
  let payloadBytes = 0;
  let frames = 0;
  /** @type {"nothing" | "start" | "end" | "closed"} */
  let seen = "nothing";
  return { feed, finish };

  /** @param {Buffer} bytes @param {number} start @param {number} end */
  function feed(bytes, start, end) {
    let at = start;
    while (at < end) {
      at = headerAt < headerBytes ? feedHeader(bytes, at, end) : feedMessage(bytes, at, end);
      if (headerAt === headerBytes && messageAt === messageBytes) finishFrame();
    }
  }

  /** Call it when the response is complete. */
  function finish() {
    // gRPC closes with trailers, which h2c.mjs checks.
    if (seen !== (codec === "grpc" ? "end" : "closed"))
      throw new Error(`the response ended after "${seen}", without its end-of-stream frame`);
    if (headerAt > 0) throw new Error("the response ended inside a frame");
    return { payloadBytes, frames };
  }

  /** @param {Buffer} bytes @param {number} at @param {number} end */
  function feedHeader(bytes, at, end) {
    while (at < end && headerAt < headerBytes) header[headerAt++] = bytes[at++] ?? 0;
    if (headerAt === headerBytes) messageBytes = header.readUInt32BE(1);
    return at;
  }

  /**
   * Consumes as much as possible of one region of the message: head and tail are kept, the payload
   * between them is skipped.
   * @param {Buffer} bytes @param {number} at @param {number} end
   */
  function feedMessage(bytes, at, end) {
    const skipTo = messageBytes - tailBytes;
    const isSkipped = messageAt >= headOf(messageBytes) && messageAt < skipTo;
    const regionEnd = isSkipped
      ? skipTo
      : messageAt < headOf(messageBytes)
        ? headOf(messageBytes)
        : messageBytes;
    const taken = Math.min(regionEnd - messageAt, end - at);
    if (!isSkipped) keptBytes += bytes.copy(kept, keptBytes, at, at + taken);
    messageAt += taken;
    return at + taken;
  }

  function finishFrame() {
    const head = kept.subarray(0, headOf(messageBytes));
    const tail = kept.subarray(head.length, keptBytes);
    take(describeFrame(codec, header[0] ?? 0, messageBytes, head, tail));
    frames++;
    headerAt = 0;
    messageAt = 0;
    messageBytes = 0;
    keptBytes = 0;
  }

  /** @param {import("./messages.mjs").Frame} frame */
  function take(frame) {
    if (frame.kind === "data" && seen === "start") payloadBytes += frame.payloadBytes;
    else if (frame.kind === "start" && seen === "nothing") seen = "start";
    else if (frame.kind === "end" && seen === "start") seen = "end";
    else if (frame.kind === "closed" && seen === "end") seen = "closed";
    else if (frame.kind !== "keepalive") throw new Error(`a ${frame.kind} frame after "${seen}"`);
  }
}

/** @param {number} messageBytes */
function headOf(messageBytes) {
  return messageBytes > wholeBytes ? headBytes : messageBytes;
}
