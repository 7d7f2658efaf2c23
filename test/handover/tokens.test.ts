// Streams of tokens with scopes: the next image of the agent knows the token of each, and ends the stream with it.

import { Code, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test, vi } from "vitest";
import { Filesystem } from "../../src/gen/filesystem_pb.ts";
import { Process } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { createTokenFile, tokenFileText, tokenOf } from "../support/agent/token-file.ts";
import { upgrade, versionThat } from "../support/agent/upgrade.ts";
import { receive } from "../support/clients/received-events.ts";
import { openWatch } from "../support/clients/watch-stream.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(90_000, 1_800_000) });

const kept = { id: "kept", scopes: ["admin"] };
const attach = { id: "attach", scopes: ["attach"], processes: ["cat"] };
const observe = { id: "observe", scopes: ["observe"] };
const cat = { selector: { case: "tag" as const, value: "cat" } };

function transportOf({ url }: RunningAgent, id: string) {
  const withToken: Interceptor = (next) => (request) => {
    request.header.set("X-Access-Token", tokenOf(id));
    return next(request);
  };
  return createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    useBinaryFormat: false,
    interceptors: [withToken],
  });
}

const clientOf = (agent: RunningAgent, id: string) => createClient(Process, transportOf(agent, id));
const adminHeaders = { "X-Access-Token": tokenOf("kept") };

async function startWithTokens() {
  const file = createTokenFile([kept, attach, observe]);
  const agent = await startAgent({ args: ["--token-file", file.path] });
  const admin = clientOf(agent, "kept");
  const started = receive(admin.start({ process: { cmd: "cat" }, stdin: true, tag: "cat" }));
  await started.started();
  const attached = receive(clientOf(agent, "attach").connect({ process: cat }));
  const observed = receive(clientOf(agent, "observe").connect({ process: cat }));
  await Promise.all([attached.started(), observed.started()]);
  const type = (text: string) =>
    admin.sendInput({ process: cat, input: { input: { case: "stdin", value: Buffer.from(text) } } });
  return { agent, file, streams: [started, attached, observed] as const, type };
}

test("streams of tokens with scopes continue through upgrades, and end with their token", async () => {
  const { agent, file, streams, type } = await startWithTokens();
  await upgrade(agent, undefined, adminHeaders);
  await type("one\n");
  await upgrade(agent, undefined, adminHeaders);
  await type("two\n");
  for (const received of streams) await received.until(() => received.text("stdout") === "one\ntwo\n");
  file.replace(tokenFileText([kept, attach]));
  const [, attached, observed] = streams;
  await expect(observed.failed()).resolves.toMatchObject({
    code: Code.Unauthenticated,
    rawMessage: "the access token was revoked",
  });
  await type("three\n");
  await attached.until(() => attached.text("stdout").endsWith("three\n"));
});

test("a token that ends in the upgrade, or has other rights after it, ends its stream", async () => {
  const { agent, file, streams, type } = await startWithTokens();
  // In the next image, before it reads the file.
  const text = tokenFileText([kept, { ...attach, processes: ["other"] }]);
  const to = versionThat(
    `require("node:fs").writeFileSync(${JSON.stringify(file.path)}, ${JSON.stringify(text)});`,
  );
  await upgrade(agent, to, adminHeaders);
  const [started, ...ended] = streams;
  for (const received of ended)
    await expect(received.failed()).resolves.toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: "the access token was revoked",
    });
  await type("still here\n");
  await started.until(() => started.text("stdout") === "still here\n");
});

test("a WatchDir stream of a token from the file continues, and ends with its token", async () => {
  const file = createTokenFile([kept, { id: "other", scopes: ["admin"] }]);
  const agent = await startAgent({ args: ["--token-file", file.path] });
  const folder = createTempFolder();
  const watch = await openWatch(createClient(Filesystem, transportOf(agent, "other")), { path: folder });
  await upgrade(agent, undefined, adminHeaders);
  createTempFolder(folder);
  await watch.until(() => watch.events.length > 0);
  file.replace(tokenFileText([kept]));
  await expect(watch.ended()).resolves.toMatchObject({ code: Code.Unauthenticated });
});
