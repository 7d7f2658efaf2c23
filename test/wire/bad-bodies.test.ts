// Malformed bodies over every protocol: broken envelopes, codecs and compressions, and sizes beyond the limit. DESIGN.md
// names the codes for large and malformed messages. Cases marked "open" have the code of Connect-ES, which follows the
// specifications of the protocols.

import { brotliCompressSync, gzipSync, constants as zlib } from "node:zlib";
import { expect, test } from "vitest";
import { survivingAgent } from "../support/agent/surviving-agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import {
  callOverEvery,
  encodeBody,
  isEnveloped,
  overEvery,
  type Protocol,
  protocols,
  type RpcCall,
} from "../support/clients/rpc-call.ts";
import { rssBytes } from "../support/proc/proc.ts";
import { forgetPeakRss, peakRssBytes } from "../support/proc/proc-activity.ts";

const agent = survivingAgent();

const LIMIT = 16 * 1024 * 1024;
const binaryOnly: readonly Protocol[] = protocols.filter((protocol) => protocol !== "Connect JSON");
const jsonOnly: readonly Protocol[] = ["Connect JSON"];

interface Case {
  readonly name: string;
  readonly rpc: string;
  readonly body: (protocol: Protocol) => Uint8Array | string;
  readonly headers?: (protocol: Protocol) => RpcCall["headers"];
  readonly code: string | ((protocol: Protocol) => string);
  readonly says?: RegExp;
  readonly among?: readonly Protocol[];
}

/** One message of Start, without its envelope. */
function startMessage(protocol: Protocol): Buffer {
  return encodeBody(protocol, "Start", [{ process: { cmd: "true" } }]).subarray(5);
}

const envelopes: Case[] = [
  start("no message", () => "", "unimplemented", /missing input message/), // open
  start(
    "two messages",
    (message) => Buffer.concat([envelope(message), envelope(message)]),
    "unimplemented",
    /extra input message/,
  ), // open
  start("half an envelope's head", () => Buffer.alloc(3), "invalid_argument", /incomplete envelope/),
  start(
    "fewer bytes than the envelope announces",
    (message) => envelope(message, 0, 1000),
    "invalid_argument",
    /incomplete/,
  ),
  start(
    "an envelope of 4 GiB",
    (message) => envelope(message, 0, 2 ** 32 - 1),
    "resource_exhausted",
    /4294967295 .*16777216/,
  ),
  start(
    "an envelope a byte too large",
    (message) => envelope(message, 0, LIMIT + 1),
    "resource_exhausted",
    /16777217 .*16777216/,
  ),
  // The remaining bytes are read as the next envelope, and the text of the message as its length.
  start(
    "more bytes than the envelope announces",
    (message) => envelope(message, 0, 0),
    "invalid_argument",
    /does not begin with an envelope/,
  ),
  start("no envelope", (message) => message, "invalid_argument", /does not begin with an envelope/),
  start("a flag that is reserved", (message) => envelope(message, 0x40), "ok"), // open
  start(
    "a compressed message without an encoding",
    (message) => envelope(message, 1),
    "internal",
    /flag of a compressed one; name its compression in (Connect-Content|Grpc)-Encoding/,
  ),
];

function start(
  name: string,
  body: (message: Buffer, protocol: Protocol) => Uint8Array | string,
  code: string,
  says?: RegExp,
): Case {
  return {
    name: `Start with ${name}`,
    rpc: "Start",
    body: (protocol) => body(startMessage(protocol), protocol),
    code,
    ...(says === undefined ? {} : { says }),
  };
}

const sizes: Case[] = [
  {
    name: "a message a byte too large",
    rpc: "SendInput",
    body: (protocol) => wrap(protocol, "SendInput", Buffer.alloc(LIMIT + 1)),
    code: "resource_exhausted",
    says: /16777217 bytes is larger than .*16777216 bytes; --max-message/,
  },
  {
    name: "a message just not too large",
    rpc: "List",
    body: (protocol) =>
      wrap(protocol, "List", protocol === "Connect JSON" ? `${"{}".padEnd(LIMIT)}` : unknownField(LIMIT)),
    code: "ok",
  },
];

/** Field 1000, of a type that holds bytes, so that the message has `bytes` of them. */
function unknownField(bytes: number): Buffer {
  const head = Buffer.from([0xc2, 0x3e, 0, 0, 0, 0]);
  let length = bytes - head.length;
  for (const at of [2, 3, 4, 5]) {
    head[at] = (length & 0x7f) | (at === 5 ? 0 : 0x80);
    length >>>= 7;
  }
  return Buffer.concat([head, Buffer.alloc(bytes - head.length)]);
}

function wrap(protocol: Protocol, rpc: string, message: Uint8Array | string, flags = 0): Uint8Array | string {
  return isEnveloped(protocol, rpc) ? envelope(message, flags) : message;
}

const json: Case[] = [
  broken("cut JSON", "Start", '{"process":', /process\.StartRequest from JSON: .*end of JSON/),
  broken("an empty text", "List", "", /process\.ListRequest from JSON/),
  broken("a JSON array", "List", "[]", /process\.ListRequest from JSON: Array/),
  broken("a JSON null", "Start", "null", /process\.StartRequest from JSON: null/),
  broken("a million brackets", "Start", "[".repeat(1e6), /process\.StartRequest from JSON/),
  broken("a number for a string", "Start", '{"process":{"cmd":5}}', /ProcessConfig\.cmd .* got 5/),
  broken("a string for a message", "Start", '{"process":"ls"}', /process\.ProcessConfig from JSON: "ls"/),
  broken("a lone surrogate", "Start", '{"process":{"cmd":"\\ud800"}}', /ProcessConfig\.cmd .*invalid UTF8/),
  broken("pid -1", "CloseStdin", '{"process":{"pid":-1}}', /ProcessSelector\.pid .* -1 out of range/),
  broken("pid 1.5", "CloseStdin", '{"process":{"pid":1.5}}', /ProcessSelector\.pid .* got 1.5/),
  broken(
    "pid 2^32",
    "CloseStdin",
    '{"process":{"pid":4294967296}}',
    /ProcessSelector\.pid .* 4294967296 out of range/,
  ),
  broken("pid infinity", "CloseStdin", '{"process":{"pid":1e400}}', /ProcessSelector\.pid .* got Infinity/),
  broken(
    "two selectors",
    "CloseStdin",
    '{"process":{"pid":1,"tag":"x"}}',
    /selector .* multiple times by pid and tag/,
  ),
  broken(
    "broken base64",
    "SendInput",
    '{"process":{"pid":1},"input":{"stdin":"!!"}}',
    /ProcessInput\.stdin .*base64/,
  ),
  broken(
    "base64 of an impossible length",
    "SendInput",
    '{"process":{"pid":1},"input":{"pty":"a"}}',
    /ProcessInput\.pty .*base64/,
  ),
  {
    name: "Start with unknown JSON fields",
    rpc: "Start",
    body: () => envelope('{"process":{"cmd":"true","x":[{}]},"y":null}'),
    code: "ok",
    among: jsonOnly,
  },
];

function broken(name: string, rpc: string, text: string, says: RegExp): Case {
  const body = (protocol: Protocol) => wrap(protocol, rpc, text);
  return { name: `${rpc} with ${name}`, rpc, body, code: "invalid_argument", says, among: jsonOnly };
}

const binary: Case[] = [
  undecodable("strings of invalid UTF-8", [0x0a, 4, 0x0a, 2, 0xff, 0xfe], /not valid for encoding utf-8/),
  undecodable("a field longer than the message", [0x0a, 40, 0x0a, 2, 0x61, 0x62], /premature EOF/),
  undecodable("an unknown wire type", [0x0f, 7], /illegal tag/),
  undecodable("field 0", [0, 7], /illegal tag/),
  undecodable(
    "a number without end",
    Array.from({ length: 20 }, () => 0xff),
    /invalid varint/,
  ),
  undecodable(
    "a million nested groups",
    Array.from({ length: 1e6 }, () => 0x3b),
    /recursion/,
  ),
  {
    name: "Start with unknown binary fields",
    rpc: "Start",
    body: (protocol) => envelope(Buffer.concat([unknownField(1000), startMessage(protocol)])),
    code: "ok",
    among: binaryOnly,
  },
];

function undecodable(name: string, bytes: readonly number[], says: RegExp): Case {
  const body = () => envelope(Buffer.from(bytes));
  return {
    name: `Start with ${name}`,
    rpc: "Start",
    body,
    code: "invalid_argument",
    says,
    among: binaryOnly,
  };
}

const compressions: Case[] = [
  ...["zstd", "GZIP", "gzip, gzip"].map((name) =>
    compressed(
      `unknown compression ${name}`,
      name,
      (message) => message,
      "unimplemented",
      new RegExp(`unknown compression "${name}"`),
    ),
  ),
  compressed("identity for a compression", "identity", (message) => message, "ok", /^$/, 0),
  compressed(
    "bytes that are not gzip",
    "gzip",
    () => Buffer.from("not compressed"),
    "invalid_argument",
    /not valid gzip data/,
  ),
  compressed(
    "gzip cut short",
    "gzip",
    (message) => gzipSync(message).subarray(0, 15),
    "invalid_argument",
    /not valid gzip data/,
  ),
  compressed(
    "bytes that are not brotli",
    "br",
    () => Buffer.from("not compressed"),
    "invalid_argument",
    /not valid brotli data/,
  ),
  compressed(
    "brotli cut short",
    "br",
    (message) => brotliCompressSync(message).subarray(0, 8),
    "invalid_argument",
    /not valid brotli data/,
  ),
];

function compressed(
  name: string,
  encoding: string,
  compress: (message: Buffer) => Uint8Array,
  code: string,
  says: RegExp,
  flags = 1,
): Case {
  return {
    name: `Start with ${name}`,
    rpc: "Start",
    body: (protocol) => envelope(compress(startMessage(protocol)), flags),
    headers: encodingHeader("Start", encoding),
    code,
    says,
  };
}

function encodingHeader(rpc: string, encoding: string) {
  return (protocol: Protocol) => {
    if (protocol.startsWith("gRPC")) return { "grpc-encoding": encoding };
    return { [isEnveloped(protocol, rpc) ? "connect-content-encoding" : "content-encoding"]: encoding };
  };
}

for (const { name, rpc, body, headers, code, says = /^$/, among = protocols } of [
  ...envelopes,
  ...sizes,
  ...json,
  ...binary,
  ...compressions,
])
  test(`${name} is ${code}`, async () => {
    const expected = { code, message: expect.stringMatching(says) };
    // One after the other: the largest messages do not fit in the memory budget at once.
    for (const protocol of among)
      expect(
        await callOverEvery(
          agent.port,
          () => ({ rpc, body: body(protocol), headers: headers?.(protocol) ?? {} }),
          [protocol],
        ),
      ).toEqual(overEvery(expected, [protocol]));
  });

test.each([
  ["gzip", "one byte more than the limit", gzipSync(Buffer.alloc(LIMIT + 1))],
  // Concatenated gzip members are one file.
  [
    "gzip",
    "1 GiB",
    Buffer.concat(Array.from({ length: 64 }, () => gzipSync(Buffer.alloc(LIMIT), { level: 1 }))),
  ],
  ["br", "one byte more than the limit", brotli(Buffer.alloc(LIMIT + 1))],
])("a %s bomb of %s is resource_exhausted and costs little memory", async (encoding, _, bomb) => {
  forgetPeakRss(agent.pid);
  const before = rssBytes(agent.pid);
  for (const rpc of ["Start", "SendInput"])
    for (const protocol of protocols) {
      const answer = await callOverEvery(
        agent.port,
        () => ({ rpc, body: wrap(protocol, rpc, bomb, 1), headers: encodingHeader(rpc, encoding)(protocol) }),
        [protocol],
      );
      const message = expect.stringMatching(/larger than .* after decompression \(16777216/);
      expect(answer).toEqual({ [protocol]: { code: "resource_exhausted", message } });
    }
  // zlib's buffers and uncollected garbage: a few times the limit, far below 1 GiB.
  expect(peakRssBytes(agent.pid) - before).toBeLessThan(200 * 1024 * 1024);
});

function brotli(data: Buffer): Buffer {
  return brotliCompressSync(data, { params: { [zlib.BROTLI_PARAM_QUALITY]: 1 } });
}
