// Parses one frame of a Start stream. Data frames are parsed by hand, because only the first and
// last bytes of their message are available. Everything else is small and uses the generated code.

import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { StartResponseSchema } from "../../dist/gen/process_pb.js";

const flagCompressed = 1;
const flagEndOfStream = 2;

/**
 * @typedef {{ kind: "start" | "end" | "keepalive" | "closed" } | { kind: "data", payloadBytes:
 * number }} Frame
 */

/**
 * @param {import("../servers/lineup.mjs").Codec} codec
 * @param {number} flags
 * @param {number} length  of the whole message
 * @param {Buffer} head    its first bytes, or all of it
 * @param {Buffer} tail    its last bytes, empty when head is all of it
 * @returns {Frame}
 */
export function describeFrame(codec, flags, length, head, tail) {
  if ((flags & flagCompressed) !== 0) throw new Error("a compressed frame, which was not asked for");
  if ((flags & flagEndOfStream) !== 0) return closedFrame(head);
  const payloadBytes = codec === "json" ? jsonPayload(length, head, tail) : binaryPayload(length, head);
  if (payloadBytes !== undefined) return { kind: "data", payloadBytes };
  if (tail.length > 0)
    throw new Error(`a frame of ${length} bytes that is not data: ${head.toString("latin1", 0, 80)}`);
  return eventFrame(codec, head);
}

/** @param {Buffer} message @returns {Frame} */
function closedFrame(message) {
  const { error } = JSON.parse(message.toString());
  if (error !== undefined) throw new Error(`the stream ended with ${error.code}: ${error.message}`);
  return { kind: "closed" };
}

/** @param {import("../servers/lineup.mjs").Codec} codec @param {Buffer} message @returns {Frame} */
function eventFrame(codec, message) {
  const response =
    codec === "json"
      ? fromJsonString(StartResponseSchema, message.toString(), { ignoreUnknownFields: true })
      : fromBinary(StartResponseSchema, message);
  const event = response.event?.event;
  if (event?.case === "end" && (event.value.exitCode !== 0 || !event.value.exited)) {
    throw new Error(`the process failed: ${event.value.status}`);
  }
  if (event?.case !== "start" && event?.case !== "end" && event?.case !== "keepalive") {
    throw new Error(`an unexpected event: ${event?.case}`);
  }
  return { kind: event.case };
}

/**
 * StartResponse.event (1) > ProcessEvent.data (2) > DataEvent.stdout|stderr|pty (1|2|3), each tag,
 * length, contents.
 * @param {number} length @param {Buffer} head @returns {number | undefined} undefined: not a data
 * event
 */
function binaryPayload(length, head) {
  let at = 0;
  let end = length;
  for (const tags of [[0x0a], [0x12], [0x0a, 0x12, 0x1a]]) {
    if (at >= end || !tags.includes(head[at] ?? 0)) return undefined;
    const size = readVarint(head, at + 1);
    at = size.end;
    if (at + size.value > end)
      throw new Error(`a field of ${size.value} bytes in ${end - at} bytes of its message`);
    end = at + size.value;
  }
  return end - at;
}

/** @param {Buffer} bytes @param {number} at */
function readVarint(bytes, at) {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end: at };
  }
  throw new Error("a length of more than five bytes");
}

/**
 * The payload is a base64 string without quotes or escapes, so the last quote of the message ends
 * it.
 * @param {number} length @param {Buffer} head @param {Buffer} tail @returns {number | undefined}
 */
function jsonPayload(length, head, tail) {
  const opening = /^\s*\{\s*"event":\s*\{\s*"data":\s*\{\s*"(stdout|stderr|pty)":\s*"/.exec(
    head.toString("latin1", 0, 128),
  );
  if (opening === null) return undefined;
  const ending = tail.length > 0 ? tail : head;
  const closing = /(=*)"\s*\}\s*\}\s*\}\s*$/.exec(ending.toString("latin1", Math.max(0, ending.length - 64)));
  if (closing === null)
    throw new Error(`a data event that does not end as one: ${ending.toString("latin1")}`);
  const base64 = length - opening[0].length - closing[0].length + (closing[1]?.length ?? 0);
  if (base64 % 4 !== 0) throw new Error(`${base64} characters of base64, not a multiple of four`);
  return (base64 / 4) * 3 - (closing[1]?.length ?? 0);
}
