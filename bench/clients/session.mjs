// One Start or Connect stream that the bench uses while it runs: its pid, its output as it arrives,
// its end. Also unary calls. In the Connect protocol, binary, over HTTP/1.1 or h2c.

import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  CloseStdinRequestSchema,
  ConnectRequestSchema,
  SendInputRequestSchema,
  StartRequestSchema,
  StartResponseSchema,
} from "../../dist/gen/process_pb.js";
import { headersOf } from "./open.mjs";

const HEADER_BYTES = 5;

/**
 * @typedef {object} Session
 * @property {number} pid
 * @property {Promise<void>} ended  rejects when the stream broke, or the process failed and nobody
 * killed it
 *
 * @typedef {object} Command
 * @property {string[]} argv
 * @property {boolean} [pty]
 * @property {boolean} [stdin]
 */

/**
 * Resolves with the start event.
 * @param {import("./http1.mjs").Connection} connection  of its own over HTTP/1.1
 * @param {Command} command
 * @param {(output: Uint8Array) => void} onOutput
 * @param {() => void} [onKeepalive]
 * @returns {Promise<Session>}
 */
export function startSession(
  connection,
  { argv: [cmd = "", ...args], pty = false, stdin = false },
  onOutput,
  onKeepalive,
) {
  const terminal = pty ? { pty: { size: { cols: 80, rows: 24 } } } : {};
  const request = create(StartRequestSchema, { process: { cmd, args }, stdin, ...terminal });
  return openStream(connection, "Start", toBinary(StartRequestSchema, request), onOutput, onKeepalive);
}

/**
 * @param {import("./http1.mjs").Connection} connection
 * @param {"Start" | "Connect"} rpc
 * @param {Uint8Array} message
 * @param {(output: Uint8Array) => void} onOutput
 * @param {() => void} [onKeepalive]
 * @returns {Promise<Session>}
 */
function openStream(connection, rpc, message, onOutput, onKeepalive) {
  return new Promise((resolve, reject) => {
    const onFrame = frameSplitter((frame) => {
      const { event } = fromBinary(StartResponseSchema, frame);
      if (event?.event.case === "start") resolve({ pid: event.event.value.pid, ended });
      else if (event?.event.case === "data") onOutput(event.event.value.output.value ?? new Uint8Array());
      else if (event?.event.case === "keepalive") onKeepalive?.();
    });
    const exchanged = connection.exchange(streamRequest(rpc, message), onFrame);
    const ended = exchanged.then((status) => {
      if (status !== 200) throw new Error(`${rpc} was answered with HTTP status ${status}`);
    });
    // Without a start event it was refused.
    ended.then(() => reject(new Error(`${rpc} ended before it started`)), reject);
  });
}

/**
 * The request of a stream whose response another process reads.
 * @param {number} pid
 * @param {"binary" | "json"} codec
 */
export function connectRequest(pid, codec) {
  const message = create(ConnectRequestSchema, selected(pid));
  const body =
    codec === "json"
      ? Buffer.from(toJsonString(ConnectRequestSchema, message))
      : toBinary(ConnectRequestSchema, message);
  return {
    method: "POST",
    path: "/process.Process/Connect",
    headers: headersOf[codec],
    body: envelope(body),
  };
}

/** @param {"Start" | "Connect"} rpc @param {Uint8Array} message */
function streamRequest(rpc, message) {
  return {
    method: "POST",
    path: `/process.Process/${rpc}`,
    headers: headersOf.binary,
    body: envelope(message),
  };
}

/**
 * @param {import("./http1.mjs").Connection} connection @param {number} pid @param {Uint8Array} data
 * @param {"stdin" | "pty"} kind
 */
export function sendInput(connection, pid, data, kind) {
  const message = create(SendInputRequestSchema, {
    ...selected(pid),
    input: { input: { case: kind, value: data } },
  });
  return call(connection, "SendInput", toBinary(SendInputRequestSchema, message));
}

/** @param {import("./http1.mjs").Connection} connection @param {number} pid */
export function closeStdin(connection, pid) {
  const message = create(CloseStdinRequestSchema, selected(pid));
  return call(connection, "CloseStdin", toBinary(CloseStdinRequestSchema, message));
}

/** @param {number} pid */
function selected(pid) {
  return { process: { selector: { case: /** @type {const} */ ("pid"), value: pid } } };
}

/**
 * @param {import("./http1.mjs").Connection} connection @param {string} rpc @param {Uint8Array}
 * message
 */
async function call(connection, rpc, message) {
  let answer = "";
  const status = await connection.exchange(
    {
      method: "POST",
      path: `/process.Process/${rpc}`,
      headers: { "Content-Type": "application/proto", "Connect-Protocol-Version": "1" },
      body: Buffer.from(message),
    },
    (bytes, start, end) => {
      answer += bytes.toString("latin1", start, end);
    },
  );
  if (status !== 200) throw new Error(`${rpc} was answered with ${status}: ${answer}`);
}

/** @param {Uint8Array} message */
export function envelope(message) {
  const framed = Buffer.alloc(HEADER_BYTES + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, HEADER_BYTES);
  return framed;
}

/**
 * Passes each complete message on, except the end of the stream. @param {(message: Buffer) => void}
 * onMessage
 */
function frameSplitter(onMessage) {
  let waiting = Buffer.alloc(0);
  return (/** @type {Buffer} */ bytes, /** @type {number} */ start, /** @type {number} */ end) => {
    const fresh = bytes.subarray(start, end);
    waiting = waiting.length === 0 ? Buffer.from(fresh) : Buffer.concat([waiting, fresh]);
    while (waiting.length >= HEADER_BYTES) {
      const frameEnd = HEADER_BYTES + waiting.readUInt32BE(1);
      if (waiting.length < frameEnd) return;
      const message = waiting.subarray(HEADER_BYTES, frameEnd);
      const isEnd = (waiting[0] ?? 0) & 2;
      waiting = waiting.subarray(frameEnd);
      if (!isEnd) onMessage(message);
    }
  };
}
