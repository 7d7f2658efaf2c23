// Files without Node: over fetch, beside a transport.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-web";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../src/client/browser.ts";
import { createClient as createNodeClient } from "../../../src/client/index.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { agentForFile } from "../file-agent.ts";
import { contentOf, digestOf, inPieces } from "./content.ts";

const agent = agentForFile();

test("over fetch, transfers continue after a cut, and directories are copied", async () => {
  const proxy = await startCuttingProxy({
    port: agent.port,
    kinds: ["rst", "fin"],
    afterBytes: { min: 50_000, max: 900_000 },
    maxCuts: 8,
  });
  const client = createClient({
    transport: () => createConnectTransport({ baseUrl: proxy.url }),
    filesUrl: proxy.url,
    reconnect: { initialDelayMs: 5, maxDelayMs: 50 },
  });
  onTestFinished(() => client.close());
  const { files } = client;
  const folder = createTempFolder();
  const path = join(folder, "from/file");
  const content = contentOf(4 * 1024 * 1024);
  await files.upload(path, inPieces(content, 70_000), { ifAbsent: true });
  expect(digestOf(readFileSync(path))).toBe(digestOf(content));
  expect(digestOf(await files.read(path))).toBe(digestOf(content));
  expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(2);
});

test("over fetch directories travel", async () => {
  const transport = () => createConnectTransport({ baseUrl: agent.url });
  const client = createClient({ transport, filesUrl: agent.url });
  onTestFinished(() => client.close());
  const { files } = client;
  const folder = createTempFolder();
  await files.write(join(folder, "from/file"), "content");
  const archive = await files.downloadDirectory(join(folder, "from"));
  expect(await files.uploadDirectory(join(folder, "to"), archive)).toMatchObject({ files: 1 });
  expect(readFileSync(join(folder, "to/file"), "utf8")).toBe("content");
});

test("a client that has only a transport says what contents of files need", async () => {
  const client = createClient({ transport: () => createConnectTransport({ baseUrl: agent.url }) });
  onTestFinished(() => client.close());
  expect((await client.files.stat("/")).kind).toBe("directory");
  await expect(client.files.read("/etc/hosts")).rejects.toThrow("give createClient filesUrl");
});

test("filesUrl is checked at once", () => {
  const transport = () => createConnectTransport({ baseUrl: agent.url });
  for (const create of [createClient, createNodeClient])
    expect(() => create({ transport, filesUrl: "unix:/x" })).toThrow('filesUrl is "unix:/x"');
  expect(() => createNodeClient({ baseUrl: agent.url, filesUrl: agent.url })).toThrow("for a transport only");
});
