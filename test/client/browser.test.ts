// The client without Node: a bundler takes in no module of Node's, and everything works over fetch.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-web";
import { expect, onTestFinished, test } from "vitest";
import * as browserDoor from "../../src/client/browser.ts";
import { createClient } from "../../src/client/browser.ts";
import * as nodeDoor from "../../src/client/index.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { collect } from "./collect.ts";
import { agentForFile } from "./file-agent.ts";

const agent = agentForFile();

test("the browser's module imports no module of Node's", () => {
  const door = join(import.meta.dirname, "../../src/client/browser.ts");
  const packages = [...modulesFrom(door)].filter((name) => !name.startsWith("/"));
  expect(packages.sort()).toEqual([
    "@bufbuild/protobuf/codegenv2",
    "@bufbuild/protobuf/wire",
    "@bufbuild/protobuf/wkt",
    "@connectrpc/connect",
  ]);
});

test("both modules export the same names", () => {
  expect(Object.keys(browserDoor).sort()).toEqual(Object.keys(nodeDoor).sort());
});

test("the browser's createClient names what it needs, and what it cannot use", () => {
  expect(() => createClient({})).toThrow("needs a baseUrl");
  const both = { baseUrl: agent.url, transport: () => createConnectTransport({ baseUrl: agent.url }) };
  expect(() => createClient(both)).toThrow("and not both");
  expect(() => createClient({ baseUrl: "unix:/run/x" })).toThrow('baseUrl is "unix:/run/x"');
  expect(() => createClient({ baseUrl: agent.url, filesUrl: agent.url })).toThrow("filesUrl belongs beside");
  for (const option of [{ httpVersion: "2" }, { ca: "x" }] as const)
    expect(() => createClient({ baseUrl: agent.url, ...option })).toThrow("need Node");
});

test("over fetch alone an answer that the agent compresses arrives whole, and a refusal with its code", async () => {
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const processes = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      client.start({ cmd: "sleep", args: ["600"], tag: `sleeper-${n}-${"x".repeat(200)}` }),
    ),
  );
  const listed = await client.list();
  const tags = listed.flatMap(({ tag }) => (tag?.startsWith("sleeper-") ? [tag] : []));
  expect(new Set(tags).size).toBe(40);
  await Promise.all(processes.map((process) => process.signal("SIGKILL")));
  await expect(client.start({ cmd: "/nowhere/x" })).rejects.toMatchObject({ code: "invalid_argument" });
  const file = await client.files.read("/etc/hostname");
  expect(file.length).toBeGreaterThan(0);
});

test("a failure of fetch names its cause", async () => {
  const client = createClient({ baseUrl: "http://127.0.0.1:9", reconnect: { callRetryMs: 0 } });
  onTestFinished(() => client.close());
  await expect(client.list()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/fetch failed: (connect ECONNREFUSED|bad port)/),
  });
});

const transports = {
  "Connect-Web's default transport": (baseUrl: string) => ({
    transport: () => createConnectTransport({ baseUrl }),
  }),
  "fetch alone": (baseUrl: string) => ({ baseUrl }),
};

test.each(Object.entries(transports))("over %s nothing is lost when connections are cut", async (_, over) => {
  const proxy = await startCuttingProxy({
    port: agent.port,
    kinds: ["rst", "fin"],
    // A connection must last for one message (64 KiB, as JSON 88 KiB), or nothing ever arrives.
    afterBytes: { min: 1000, max: 150_000 },
  });
  const client = createClient({
    ...over(proxy.url),
    reconnect: { initialDelayMs: 5, maxDelayMs: 50 },
  });
  onTestFinished(() => client.close());
  const process = await client.start({ cmd: "cat", stdin: true, output: { replayBytes: 4 * 1024 * 1024 } });
  const input = Array.from({ length: 40_000 }, (_, n) => `line ${n}\n`).join("");
  const written = process.write(input).then(() => process.closeStdin());
  const { text } = await collect(process);
  await written;
  expect(text.stdout === input).toBe(true);
  expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(3);
});

/** All modules that a bundler would take in: the paths of our own files, the names of packages. */
function modulesFrom(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  // Bundlers do not see type imports.
  const imports = readFileSync(file, "utf8").matchAll(/^(?:import|export)(?! type)[^;]*? from "([^"]+)";/gm);
  for (const [, specifier = ""] of imports)
    if (specifier.startsWith(".")) modulesFrom(join(dirname(file), specifier), found);
    else found.add(specifier);
  return found;
}
