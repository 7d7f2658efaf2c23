// Names that are special in JavaScript are names like all others in the maps of messages: variables of a process, and
// metadata of a file.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { encodeMessage } from "../../src/client/transport/message-codec.ts";
import { connectTo } from "../client/test-client.ts";
import { startAgent } from "../support/agent/agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { callRpc, contentType, type Protocol, protocols } from "../support/clients/rpc-call.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
/** JSON, because a literal with `__proto__` sets the prototype. */
const envs: Readonly<Record<string, string>> = JSON.parse(
  `{${names.map((name) => `"${name}":"of ${name}"`).join(",")}}`,
);
/** Requests with this parameter are answered by the library instead of directly. */
const types: readonly (readonly [Protocol, string])[] = [
  ...protocols.map((protocol) => [protocol, contentType(protocol, "Start")] as const),
  ["Connect JSON", "application/connect+json; charset=utf-8"],
];

test.each(types)(
  "over %s (%s) variables with any name reach the process and the list",
  async (protocol, type) => {
    const agent = await startAgent();
    const out = `${createTempFolder()}/out`;
    const message = { process: { cmd: "sh", args: ["-c", `env | grep '=of ' >${out}`], envs } };
    const bytes =
      protocol === "Connect JSON" ? JSON.stringify(message) : encodeMessage("process.StartRequest", message);
    const call = { rpc: "Start", body: envelope(Buffer.from(bytes)), headers: { "content-type": type } };
    expect(await callRpc(agent.port, protocol, call)).toMatchObject({ code: "ok" });
    expect(readFileSync(out, "utf8").trim().split("\n").sort()).toEqual(
      names.map((name) => `${name}=of ${name}`).sort(),
    );

    const answer = await fetch(`${agent.url}/process.Process/List`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"includeEnded":true}',
    });
    const { processes } = (await answer.json()) as { processes: { config: { envs: object } }[] };
    expect(Object.entries(processes[0]?.config.envs ?? {})).toEqual(Object.entries(envs));
    const [listed] = await connectTo(agent.url).list({ includeEnded: true });
    expect(Object.entries(listed?.env ?? {})).toEqual(Object.entries(envs));
  },
);

test("metadata with any name is in the answers of calls about files, as JSON and as protobuf", async () => {
  const agent = await startAgent();
  const path = `${createTempFolder()}/file`;
  const { files } = connectTo(agent.url);
  const metadata: Readonly<Record<string, string>> = JSON.parse('{"__proto__":"a","constructor":"b"}');
  await files.write(path, "x", { metadata });
  const answer = await fetch(`${agent.url}/filesystem.Filesystem/Stat`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path }),
  });
  expect(await answer.text()).toContain('"metadata":{"__proto__":"a","constructor":"b"}');
  expect(Object.entries((await files.stat(path)).metadata)).toEqual(Object.entries(metadata));
});
