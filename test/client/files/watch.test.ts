// Watches through the client.

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import type { FileEvent, FileWatch } from "../../../src/client/index.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { agentForFile } from "../file-agent.ts";
import { connectTo, httpVersions } from "../test-client.ts";

const agent = agentForFile();
let folder: string;
beforeEach(() => {
  folder = createTempFolder();
});

/** The events until one has the text `last`, as "create a". */
async function until(watch: FileWatch, last: string): Promise<string[]> {
  const texts: string[] = [];
  const events = watch[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await events.next();
    if (done === true) throw new Error(`the watch ended after ${texts.join(", ")}`);
    const event: FileEvent = value;
    texts.push(`${event.kind} ${event.name}`);
    if (texts.at(-1) === last) return texts;
  }
}

test("every change after watch has resolved is an event", async () => {
  const { files } = connectTo(agent.url);
  const watch = await files.watch(folder, { recursive: true, exclude: ["*.tmp"], includeEntry: true });
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "left.tmp"), "");
  writeFileSync(join(folder, "one"), "1");
  renameSync(join(folder, "one"), join(folder, "two"));
  rmSync(join(folder, "two"));
  const texts = await until(watch, "remove two");
  expect(texts).toEqual(expect.arrayContaining(["create sub", "create one", "rename one", "create two"]));
  expect(texts.join()).not.toContain("tmp");
  watch.close();
});

test("leaving the loop ends the watch, and its iterator is done", async () => {
  const { files } = connectTo(agent.url);
  const watch = await files.watch(folder);
  writeFileSync(join(folder, "x"), "");
  for await (const event of watch) {
    expect(event.name).toBe("x");
    break;
  }
  expect(await watch[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
});

test("an abort rejects the iteration with its reason", async () => {
  const { files } = connectTo(agent.url);
  const abort = new AbortController();
  const watch = await files.watch(folder, { signal: abort.signal });
  const next = watch[Symbol.asyncIterator]().next();
  const reason = new Error("enough");
  abort.abort(reason);
  await expect(next).rejects.toBe(reason);
});

test("a missing directory is not_found", async () => {
  await expect(connectTo(agent.url).files.watch(join(folder, "no"))).rejects.toMatchObject({
    code: "not_found",
  });
});

test.each(httpVersions)(
  "no event is lost or doubled over HTTP/%s when connections are cut",
  async (httpVersion) => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      afterBytes: { min: 1500, max: 6000 },
      kinds: ["rst", "fin"],
    });
    const watch = await connectTo(proxy.url, { httpVersion }).files.watch(folder);
    const names = Array.from({ length: 1000 }, (_, n) => `f${n}`);
    for (const name of names) writeFileSync(join(folder, name), "");
    const creates = (await until(watch, "create f999")).filter((text) => text.startsWith("create"));
    expect(creates).toEqual(names.map((name) => `create ${name}`));
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(3);
    watch.close();
  },
);
