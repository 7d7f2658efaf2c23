// The ways to write an agent's address.
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseAgentAddress } from "../../src/client/agent-address.ts";
import { createClient } from "../../src/client/index.ts";
import { runCommand } from "../support/agent/agent.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { agentForFile } from "./file-agent.ts";

const agent = agentForFile();

test.each([
  ["http://127.0.0.1:49983", { baseUrl: "http://127.0.0.1:49983" }],
  ["https://agent.example.com/prefix/", { baseUrl: "https://agent.example.com/prefix" }],
  ["HTTPS://agent.example.com", { baseUrl: "https://agent.example.com" }],
  ["localhost", { baseUrl: "http://localhost:49983" }],
  ["localhost:80", { baseUrl: "http://localhost:80" }],
  ["[::1]:7", { baseUrl: "http://[::1]:7" }],
  ["unix:/run/holdfast.sock", { baseUrl: "http://localhost", socketPath: "/run/holdfast.sock" }],
])("%s is an address", (text, address) => {
  expect(parseAgentAddress(text)).toEqual(address);
});

test.each([
  ...["", "8080", "localhost:99999", "ftp://host", "http//host", "http://user@host", "http://host/?q"],
  ...["http://host/?", "http://host/#", "http://host ", "http://host/\n"],
  ...["unix:relative", "unix:/", `unix:/${"x".repeat(107)}`, "a b", "::1"],
])("%j is not an address", (text) => {
  expect(parseAgentAddress(text)).toBeUndefined();
  expect(() => createClient({ baseUrl: text })).toThrow(TypeError);
});

test.each(["1.1", "2"] as const)(
  "a client over HTTP/%s calls an agent at HOST:PORT and on a Unix socket",
  async (httpVersion) => {
    const path = join(createTempFolder(), "socket");
    const listening = runCommand({ args: ["serve", "--listen", `unix:${path}`] });
    await listening.waitFor("stdout", /listening/);
    for (const baseUrl of [`127.0.0.1:${agent.port}`, `unix:${path}`]) {
      const client = createClient({ baseUrl, httpVersion });
      onTestFinished(() => client.close());
      const process = await client.start({ cmd: "true" });
      expect(await process.discardOutput()).toMatchObject({ exitCode: 0 });
    }
  },
);
