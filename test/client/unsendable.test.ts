// Arguments that cannot be sent, or would arrive as something else, are refused at once, by name. They never look like a
// lost connection, which would be retried for half a minute.

import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { createClient as createBrowserClient } from "../../src/client/browser.ts";
import { type Client, createClient } from "../../src/client/index.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo } from "./test-client.ts";

const agent = agentForFile();
/** Nothing listens there: a request that is sent is not refused, but retried. */
const baseUrl = "http://127.0.0.1:9";
const half = "\ud800";

const clients: Readonly<Record<string, () => Client>> = {
  "HTTP/1.1": () => connectTo(baseUrl),
  "HTTP/2": () => connectTo(baseUrl, { httpVersion: "2" }),
  fetch: () => createBrowserClient({ baseUrl }),
};

describe.each(Object.entries(clients))("over %s", (_, open) => {
  test.each<[string, RegExp, (client: Client) => Promise<unknown>]>([
    [
      "a line feed in metadata",
      /X-Metadata-a cannot be sent: it has the character U\+000A at index 1/,
      (client) => client.files.write("/tmp/x", "x", { metadata: { a: "b\nc" } }),
    ],
    [
      "a euro sign in metadata",
      /X-Metadata-a .* U\+20AC at index 0/,
      (client) => client.files.write("/tmp/x", "x", { metadata: { a: "€" } }),
    ],
    [
      "a space in the name of metadata",
      /"X-Metadata-a b" cannot be the name/,
      (client) => client.files.write("/tmp/x", "x", { metadata: { "a b": "c" } }),
    ],
    [
      "a NUL in an ETag",
      /If-Match .* U\+0000/,
      (client) => client.files.write("/tmp/x", "x", { ifMatch: "\0" }),
    ],
    [
      "half a surrogate pair in the path of a file",
      /path "\/tmp\/\\ud800" has half of a surrogate pair/,
      (client) => client.files.read(`/tmp/${half}`),
    ],
    [
      "half a surrogate pair in the path of a call",
      /filesystem\.StatRequest\.path: "\/tmp\/\\ud800" has half of a surrogate pair/,
      (client) => client.files.stat(`/tmp/${half}`),
    ],
    [
      "half a surrogate pair in an argument",
      /process\.ProcessConfig\.args: "\\ud800" has half/,
      (client) => client.start({ cmd: "x", args: [half] }),
    ],
    [
      "half a surrogate pair in a variable",
      /process\.ProcessConfig\.envs: "\\ud800" has half/,
      (client) => client.start({ cmd: "x", env: { A: half } }),
    ],
    ["a negative revision", /ListRequest\.sinceRevision: .*-1/, (client) => client.changes({ since: -1n })],
  ])("%s is refused", async (_what, message, call) => {
    await expect(call(open())).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(message),
    });
  });
});

test.each(["secret\n", "sécret€"])("a token that no header can carry is refused: %j", (token) => {
  const transport = createConnectTransport({ baseUrl, httpVersion: "1.1" });
  for (const create of [
    () => createClient({ baseUrl, token }),
    () => createClient({ transport, token }),
    () => createBrowserClient({ baseUrl, token }),
  ])
    expect(create).toThrow(/^token cannot be sent: it has the character U\+(000A|20AC) at index 6$/);
});

test.each<[string, unknown]>([
  ["an ArrayBuffer", new ArrayBuffer(2)],
  ["16-bit numbers", Uint16Array.of(0x6161)],
  ["a number", 5],
  ["nothing", undefined],
])("input that is %s is refused instead of lost", async (_, input) => {
  const process = await connectTo(agent.url).start({ cmd: "cat", stdin: true });
  await expect(process.write(input as string)).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringMatching(/^the input is of type \w+, must be a string or a Uint8Array$/),
  });
  await process.write("next");
  await process.closeStdin();
  expect((await process.discardOutput()).offset).toBe(4);
});

test.each<[string, () => unknown, RegExp]>([
  ["a stream of text", () => piecesOf("text"), /piece of type String, must have only Uint8Arrays/],
  ["a stream of numbers", () => piecesOf(5), /piece of type Number/],
  ["an ArrayBuffer", () => new ArrayBuffer(2), /^the content is of type ArrayBuffer, must be a string/],
  ["an array", () => [new Uint8Array(2)], /^the content is of type Array/],
  ["null", () => null, /^the content is of type Null/],
])("content that is %s is refused, and no file is stored", async (_, content, message) => {
  const folder = createTempFolder();
  const { files } = connectTo(agent.url);
  const refused = { code: "invalid_argument", message: expect.stringMatching(message) };
  await expect(files.upload(`${folder}/file`, content() as Blob)).rejects.toMatchObject(refused);
  await expect(files.uploadDirectory(`${folder}/all`, content() as Blob)).rejects.toMatchObject(refused);
  await expect(files.stat(`${folder}/file`)).rejects.toMatchObject({ code: "not_found" });
});

async function* piecesOf(piece: unknown) {
  yield new Uint8Array(1);
  yield piece;
}
