// A long value of base64 in a JSON message is decoded apart from it: to the same message as by the library, or not at all.

import { equals, fromJsonString, type Message } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SendInputRequestSchema, SendSignalRequestSchema } from "../../../src/gen/process_pb.ts";
import { LEAST_BASE64_BYTES, longBytesDecode } from "../../../src/rpc/protocol/json-bytes.ts";

const decode = (json: Uint8Array): Message =>
  fromJsonString(SendInputRequestSchema, Buffer.from(json).toString("utf8"), { ignoreUnknownFields: true });
const decodeLong = longBytesDecode(SendInputRequestSchema, decode) ?? (() => undefined);

const MIB = 1024 * 1024;
const long = Buffer.alloc(200_000, "a value that is long, and does not repeat in step with base64.");
const base64 = long.toString("base64");

/** Vitest compares arrays of bytes slowly. */
function isAsByLibrary(message: Message | undefined, text: string): boolean {
  return (
    message !== undefined &&
    equals(SendInputRequestSchema, message as never, decode(Buffer.from(text)) as never)
  );
}

test.each([
  ["padded", `{"input":{"stdin":"${Buffer.alloc(5000, "ab").subarray(0, 4999).toString("base64")}"}}`],
  ["not padded", `{"input":{"stdin":"${base64.replace(/=/g, "")}"}}`],
  ["in the alphabet of URLs", `{"input":{"pty":"${Buffer.alloc(9000, 0xff).toString("base64url")}"}}`],
  [
    "behind other fields, with blanks",
    `{ "process" : {"tag": "t\\u0041\\"b"} , "input": { "stdin": "${base64}" }\n}`,
  ],
  ["longer than a slice", `{"input":{"stdin":"${Buffer.alloc(MIB + 1, "xyz").toString("base64")}"}}`],
])("%s, a value is decoded apart", (_name, text) => {
  expect(isAsByLibrary(decodeLong(Buffer.from(text)), text)).toBe(true);
});

test.each([
  ["a short value", `{"input":{"stdin":"QUJD"}}`],
  ["a long tag, which could be base64", `{"process":{"tag":"${"t".repeat(4096)}"}}`],
  ["a long unknown field", `{"unknown":"${"t".repeat(4096)}","input":{"stdin":"${base64}"}}`],
  ["a long key", `{"${"t".repeat(4096)}":1,"input":{"stdin":"${base64}"}}`],
  ["line feeds within the value", `{"input":{"stdin":"${base64.slice(0, 76)}\\n${base64.slice(76)}"}}`],
  ["slashes with backslashes", `{"input":{"stdin":"${base64.slice(0, 76)}\\/AAA${base64.slice(80)}"}}`],
  ["padding within the value", `{"input":{"stdin":"${base64.slice(0, 78)}==${base64.slice(80)}"}}`],
  ["a sign of padding too many", `{"input":{"stdin":"${"A".repeat(1024)}="}}`],
  ["two signs of padding too many", `{"input":{"stdin":"${"A".repeat(1024)}=="}}`],
  ["two signs of padding instead of one", `{"input":{"stdin":"${"A".repeat(1027)}=="}}`],
  ["many escaped quotes", `{"unknown":"${'\\"'.repeat(40)}","input":{"stdin":"${base64}"}}`],
  ["a letter too many", `{"input":{"stdin":"${"A".repeat(4001)}"}}`],
  ["a sign that is not base64", `{"input":{"stdin":"${base64.slice(0, 79)}*${base64.slice(80)}"}}`],
  ["letters that are not ASCII", `{"input":{"stdin":"${base64.slice(0, 79)}é${base64.slice(80)}"}}`],
  ["the same key twice", `{"input":{"stdin":"${base64}"},"input":{"stdin":"${base64}"}}`],
  ["two inputs", `{"input":{"stdin":"${base64}","pty":"${base64}"}}`],
  ["text that does not end", `{"input":{"stdin":"${base64}`],
  ["a wrong type elsewhere", `{"process":7,"input":{"stdin":"${base64}"}}`],
  ["no object", `"${base64}"`],
  ["many strings", `{"unknown":[${'"a",'.repeat(40)}"b"],"input":{"stdin":"${base64}"}}`],
])("a message with %s is left to the library", (_name, text) => {
  expect(decodeLong(Buffer.from(text))).toBeUndefined();
});

test("a message that is not UTF-8 is left to the library", () => {
  const text = Buffer.from(`{"process":{"tag":"x"},"input":{"stdin":"${base64}"}}`);
  text[text.indexOf("x")] = 0xff;
  const strict = (json: Uint8Array) =>
    fromJsonString(SendInputRequestSchema, new TextDecoder("utf-8", { fatal: true }).decode(json));
  expect(longBytesDecode(SendInputRequestSchema, strict)?.(text)).toBeUndefined();
});

test("messages without bytes have no such decoder", () => {
  expect(longBytesDecode(SendSignalRequestSchema, decode)).toBeUndefined();
});

test("the bytes of a large message are freed, unless the library needs them", () => {
  const message = (value: string) => {
    const text = `{"input":{"stdin":"${value}"}}`;
    const bytes = Buffer.allocUnsafeSlow(text.length);
    bytes.write(text, "latin1");
    return bytes;
  };
  const taken = message("A".repeat(2 * MIB));
  expect(decodeLong(taken)).toBeDefined();
  expect(taken.length).toBe(0);
  const left = message(`${"A".repeat(2 * MIB)}*`);
  expect(decodeLong(left)).toBeUndefined();
  expect(left.length).toBeGreaterThan(2 * MIB);
});

/** Letters of JSON and base64, so that values of all kinds come. */
const letters = fc.constantFrom(...'AAAAbc+/-_=\\" \n{}[],:*é');
const value = fc.oneof(
  fc
    .uint8Array({ minLength: LEAST_BASE64_BYTES, maxLength: 3000 })
    .map((bytes) => Buffer.from(bytes).toString("base64")),
  fc.string({ unit: letters, maxLength: 8 }).map((text) => `${"A".repeat(LEAST_BASE64_BYTES)}${text}`),
  fc.string({ unit: letters, maxLength: 8 }).map((text) => text + "B".repeat(LEAST_BASE64_BYTES)),
  fc.constantFrom("QUJD", "", "t"),
);
const text = fc
  .tuple(
    fc.constantFrom("stdin", "pty", "tag", "input", "other"),
    value,
    fc.constantFrom("stdin", "pty"),
    value,
  )
  .map(
    ([first, one, second, two]) =>
      `{"process":{"${first}":"${one}"},"input":{"${second}":"${two}"}${one.length % 3 === 0 ? "" : `,"keepalive":1`}}`,
  );

test("any message is decoded as by the library, or left to it", () => {
  let apart = 0;
  fc.assert(
    fc.property(text, (json) => {
      const message = decodeLong(Buffer.from(json));
      if (message === undefined) return;
      apart++;
      expect(isAsByLibrary(message, json)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(apart).toBeGreaterThan(20);
});
