// Opens a client for a server: a connection (http1, h2c, tcp) and a way to speak on it (connect, raw).
// Every run has a deadline, so that a server that hangs is an error that names it and not a suite that hangs.

import { create, fromBinary, fromJson, toBinary, toJsonString } from "@bufbuild/protobuf";
import { StartRequestSchema, StartResponseSchema } from "../../dist/gen/process_pb.js";
import { createFrameCounter } from "./frames.mjs";
import { openH2c } from "./h2c.mjs";
import { openHttp1 } from "./http1.mjs";
import { openTcp } from "./tcp.mjs";

const runMs = 60_000;

/**
 * @typedef {object} ProcessClient
 * @property {() => Promise<void>} ready  opens or renews the connection, so that the next run does not pay for it
 * @property {(argv: string[]) => Promise<number>} run  runs a command to its end; resolves with the verified number
 *   of bytes of output delivered
 * @property {(argv: string[]) => Promise<{ counted: number, output: Buffer }>} read  as `run`, and with the output
 * @property {() => void} close
 *
 * @typedef {{ feed: import("./http1-response.mjs").OnBody, finish: () => { payloadBytes: number } }} Counter
 *
 * @typedef {object} Speech  how a command is asked for and its output framed
 * @property {(argv: string[]) => import("./http1.mjs").Request} ask
 * @property {() => Counter} createCounter
 * @property {(body: Buffer) => Buffer} decode  the output in a whole response body
 */

/**
 * @param {"connect" | "raw" | "tcp"} speaks
 * @param {string} url
 * @param {import("../servers/lineup.mjs").Transport} transport
 * @returns {ProcessClient}
 */
export function openClient(speaks, url, { http, codec }) {
  const connection = speaks === "tcp" ? openTcp(url) : http === "h2c" ? openH2c(url) : openHttp1(url);
  const { ask, createCounter, decode } = speaks === "connect" ? connectSpeech(codec) : rawSpeech(speaks);
  return { ready: connection.ready, run, read, close: () => connection.close() };

  /** @param {string[]} argv */
  async function run(argv) {
    const counter = createCounter();
    await exchange(argv, counter.feed);
    return counter.finish().payloadBytes;
  }

  /** @param {string[]} argv */
  async function read(argv) {
    const counter = createCounter();
    /** @type {Buffer[]} */
    const parts = [];
    await exchange(argv, (bytes, start, end) => {
      parts.push(Buffer.from(bytes.subarray(start, end)));
      counter.feed(bytes, start, end);
    });
    return { counted: counter.finish().payloadBytes, output: decode(Buffer.concat(parts)) };
  }

  /** @param {string[]} argv @param {import("./http1-response.mjs").OnBody} onBody */
  async function exchange(argv, onBody) {
    const deadline = setTimeout(() => {
      connection.close(new Error(`\`${argv.join(" ")}\` did not end within ${runMs} ms`));
    }, runMs);
    try {
      const status = await connection.exchange(ask(argv), onBody);
      if (status !== 200) throw new Error(`\`${argv.join(" ")}\` was answered with HTTP status ${status}`);
    } finally {
      clearTimeout(deadline);
    }
  }
}

/** The Connect protocol's Start. @param {import("../servers/lineup.mjs").Codec} codec @returns {Speech} */
function connectSpeech(codec) {
  const type = codec === "binary" ? "application/connect+proto" : "application/connect+json";
  const headers = { "Content-Type": type, "Connect-Protocol-Version": "1" };
  return { ask, createCounter: () => createFrameCounter(codec), decode };

  /** @param {string[]} argv */
  function ask([cmd = "", ...args]) {
    const request = create(StartRequestSchema, { process: { cmd, args }, stdin: false });
    const message =
      codec === "binary"
        ? toBinary(StartRequestSchema, request)
        : Buffer.from(toJsonString(StartRequestSchema, request));
    const envelope = Buffer.alloc(5);
    envelope.writeUInt32BE(message.length, 1);
    return {
      method: "POST",
      path: "/process.Process/Start",
      headers,
      body: Buffer.concat([envelope, message]),
    };
  }

  /** With the generated code, and so independently of frames.mjs. @param {Buffer} body */
  function decode(body) {
    const output = [];
    for (let at = 0; at < body.length; ) {
      const end = at + 5 + body.readUInt32BE(at + 1);
      const isMessage = body[at] === 0;
      const message = body.subarray(at + 5, end);
      at = end;
      if (!isMessage) continue;
      const { event } =
        codec === "binary"
          ? fromBinary(StartResponseSchema, message)
          : fromJson(StartResponseSchema, JSON.parse(message.toString()));
      if (event?.event.case === "data") output.push(event.event.value.output.value ?? Buffer.alloc(0));
    }
    return Buffer.concat(output);
  }
}

/** No encoding at all: the body is the output. @param {"raw" | "tcp"} speaks @returns {Speech} */
function rawSpeech(speaks) {
  return { ask, createCounter, decode: (body) => body };

  /** @param {string[]} argv */
  function ask(argv) {
    if (speaks === "tcp")
      return { method: "", path: "", headers: {}, body: Buffer.from(`${argv.join("\t")}\n`) };
    return { method: "GET", path: `/?argv=${encodeURIComponent(JSON.stringify(argv))}`, headers: {} };
  }

  function createCounter() {
    let payloadBytes = 0;
    return {
      feed: (/** @type {Buffer} */ _bytes, /** @type {number} */ start, /** @type {number} */ end) => {
        payloadBytes += end - start;
      },
      finish: () => ({ payloadBytes }),
    };
  }
}
