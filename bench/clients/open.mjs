// Opens a client for a server: a connection (http1, h2c, tcp, ssh) and a protocol on it (connect,
// gRPC, raw). Every run has a deadline, so that a server that hangs ends the suite with an error
// that names it.

import { create, fromBinary, fromJson, toBinary, toJsonString } from "@bufbuild/protobuf";
import { StartRequestSchema, StartResponseSchema } from "../../dist/gen/process_pb.js";
import { createFrameCounter } from "./frames.mjs";
import { openH2c } from "./h2c.mjs";
import { openHttp1 } from "./http1.mjs";
import { openSsh } from "./ssh.mjs";
import { openTcp } from "./tcp.mjs";

const runMs = 60_000;

/**
 * @typedef {object} ProcessClient
 * @property {() => Promise<void>} ready  opens or renews the connection, so that the next run does
 * not pay for it
 * @property {(argv: string[], how?: How) => Promise<number>} run  runs a command to its end;
 * resolves with the verified
 *   number of bytes of output delivered
 * @property {(argv: string[]) => Promise<{ counted: number, output: Buffer }>} read  as `run`, and
 * with the output
 * @property {() => void} close
 *
 * @typedef {{ pty?: boolean, deadlineMs?: number }} How  on a terminal, or (by default) on pipes
 *
 * @typedef {{ feed: import("./http1-response.mjs").OnBody, finish: () => { payloadBytes: number }
 * }} Counter
 *
 * @typedef {object} Speech  how a command is asked for and its output framed
 * @property {(argv: string[], how: How) => import("./http1.mjs").Request} ask
 * @property {() => Counter} createCounter
 * @property {(body: Buffer) => Buffer} decode  the output in a whole response body
 */

/**
 * @param {"connect" | "raw" | "tcp" | "ssh"} speaks
 * @param {string} url
 * @param {import("../servers/lineup.mjs").Transport} transport
 * @returns {ProcessClient}
 */
export function openClient(speaks, url, { http, codec }) {
  const connection = openConnection(speaks, url, http);
  const { ask, createCounter, decode } = speaks === "connect" ? connectSpeech(codec) : rawSpeech(speaks);
  return { ready: connection.ready, run, read, close: () => connection.close() };

  /** @param {string[]} argv @param {How} [how] */
  async function run(argv, how = {}) {
    const counter = createCounter();
    await exchange(argv, how, counter.feed);
    return counter.finish().payloadBytes;
  }

  /** @param {string[]} argv */
  async function read(argv) {
    const counter = createCounter();
    /** @type {Buffer[]} */
    const parts = [];
    await exchange(argv, {}, (bytes, start, end) => {
      parts.push(Buffer.from(bytes.subarray(start, end)));
      counter.feed(bytes, start, end);
    });
    return { counted: counter.finish().payloadBytes, output: decode(Buffer.concat(parts)) };
  }

  /**
   * @param {string[]} argv @param {How} how @param {import("./http1-response.mjs").OnBody} onBody
   */
  async function exchange(argv, how, onBody) {
    const deadline = setTimeout(() => {
      connection.close(new Error(`\`${argv.join(" ")}\` took too long`));
    }, how.deadlineMs ?? runMs);
    try {
      const status = await connection.exchange(ask(argv, how), onBody);
      if (status !== 200) throw new Error(`\`${argv.join(" ")}\` was answered with HTTP status ${status}`);
    } finally {
      clearTimeout(deadline);
    }
  }
}

/**
 * @param {"connect" | "raw" | "tcp" | "ssh"} speaks
 * @param {string} url
 * @param {import("../servers/lineup.mjs").Http} http
 */
function openConnection(speaks, url, http) {
  if (speaks === "tcp") return openTcp(url);
  if (speaks === "ssh") return openSsh(url);
  return http === "h2c" ? openH2c(url) : openHttp1(url);
}

/**
 * Start in the Connect protocol, or in gRPC, whose envelopes are the same. @param
 * {import("../servers/lineup.mjs").Codec} codec @returns {Speech}
 */
function connectSpeech(codec) {
  const headers = headersOf[codec];
  return { ask, createCounter: () => createFrameCounter(codec), decode };

  /** @param {string[]} argv @param {How} how */
  function ask([cmd = "", ...args], { pty = false }) {
    const terminal = pty ? { pty: { size: { cols: 80, rows: 24 } } } : {};
    const request = create(StartRequestSchema, { process: { cmd, args }, stdin: false, ...terminal });
    const message =
      codec === "json"
        ? Buffer.from(toJsonString(StartRequestSchema, request))
        : toBinary(StartRequestSchema, request);
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
        codec === "json"
          ? fromJson(StartResponseSchema, JSON.parse(message.toString()))
          : fromBinary(StartResponseSchema, message);
      if (event?.event.case === "data") output.push(event.event.value.output.value ?? Buffer.alloc(0));
    }
    return Buffer.concat(output);
  }
}

/** @type {Record<import("../servers/lineup.mjs").Codec, Record<string, string>>} */
export const headersOf = {
  binary: { "Content-Type": "application/connect+proto", "Connect-Protocol-Version": "1" },
  json: { "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1" },
  grpc: { "Content-Type": "application/grpc", TE: "trailers" },
};

/**
 * Without encoding: the body is the output. @param {"raw" | "tcp" | "ssh"} speaks @returns {Speech}
 */
function rawSpeech(speaks) {
  return { ask, createCounter, decode: (body) => body };

  /** @param {string[]} argv @param {How} how */
  function ask(argv, { pty = false }) {
    if (speaks === "tcp")
      return { method: "", path: "", headers: {}, body: Buffer.from(`${argv.join("\t")}\n`) };
    if (speaks === "ssh")
      return { method: "", path: pty ? "pty" : "", headers: {}, body: Buffer.from(argv.join(" ")) };
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
