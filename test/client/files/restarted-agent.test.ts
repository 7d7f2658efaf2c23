// An agent that restarts in the middle of an upload or a watch: it has forgotten both.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { connectTo } from "../test-client.ts";
import { contentOf, digestOf, inPieces } from "./content.ts";

const MIB = 1024 * 1024;

async function restartable() {
  const first = await startAgent();
  const proxy = await startCuttingProxy({ port: first.port, kinds: ["rst"] });
  const { port } = first;
  return {
    url: proxy.url,
    restart: async () => {
      await first.stop();
      await startAgent({ args: ["--port", String(port)] });
    },
  };
}

test("an upload of bytes begins again after a restart of the agent", async () => {
  const agent = await restartable();
  const path = join(createTempFolder(), "file");
  const content = contentOf(5 * MIB);
  let restarted: Promise<void> | undefined;
  const { files } = connectTo(agent.url);
  await files.upload(path, content, {
    onProgress: () => {
      restarted ??= agent.restart();
    },
  });
  await restarted;
  expect(digestOf(readFileSync(path))).toBe(digestOf(content));
});

test("an upload of a stream fails after a restart of the agent, and leaves nothing", async () => {
  const agent = await restartable();
  const path = join(createTempFolder(), "file");
  let restarted: Promise<void> | undefined;
  async function* pausing() {
    yield* inPieces(contentOf(3 * MIB), 64 * 1024);
    await restarted;
    yield* inPieces(contentOf(9 * MIB), 64 * 1024);
  }
  const { files } = connectTo(agent.url);
  const upload = files.upload(path, pausing(), {
    onProgress: () => {
      restarted ??= agent.restart();
    },
  });
  await expect(upload).rejects.toMatchObject({
    code: "data_loss",
    message: expect.stringContaining("cannot be sent again"),
  });
  expect(existsSync(path)).toBe(false);
});

test("a watch says that events may be lost when the agent was restarted", async () => {
  const agent = await restartable();
  const folder = createTempFolder();
  const { files } = connectTo(agent.url);
  const watch = await files.watch(folder);
  const events = watch[Symbol.asyncIterator]();
  writeFileSync(join(folder, "before"), "");
  expect((await events.next()).value).toMatchObject({ kind: "create", name: "before" });
  const rescan = (async () => {
    for (;;) {
      const { value } = await events.next();
      if (value?.kind === "rescan") return value;
    }
  })();
  await agent.restart();
  expect(await rescan).toEqual({ kind: "rescan", name: "." });
  writeFileSync(join(folder, "after"), "");
  expect((await events.next()).value).toMatchObject({ kind: "create", name: "after" });
  watch.close();
});
