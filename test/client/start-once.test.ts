// One start makes one process, even if requests or answers are lost.

import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ConnectionState } from "../../src/client/index.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { collect } from "./collect.ts";
import { agentForFile } from "./file-agent.ts";
import { losingTransport } from "./losing-transport.ts";
import { connectTo, httpVersions } from "./test-client.ts";

const agent = agentForFile();

test("a start whose answers are lost starts one process, and all of its output arrives", async () => {
  const { transport, sent } = losingTransport(agent.url, { Start: 3 });
  const states: ConnectionState[] = [];
  const starts = await countedScript("echo hello");
  const process = await connectTo("", { transport }).start(starts.request, {
    onState: (state) => states.push(state),
  });
  const { text, exit } = await collect(process);
  expect({ text: text.stdout, exitCode: exit.exitCode, starts: starts.count() }).toEqual({
    text: "hello\n",
    exitCode: 0,
    starts: 1,
  });
  expect(sent("Start")).toBe(4);
  expect(states.map((state) => (state.kind === "reconnecting" ? state.attempt : state.kind))).toEqual([
    1,
    2,
    3,
    "connected",
  ]);
});

test.each(httpVersions)(
  "commands whose stream is cut before any output lose neither output nor exit code, over HTTP/%s",
  async (httpVersion) => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      kinds: ["rst", "fin"],
      afterBytes: { min: 100, max: 3000 },
    });
    const client = connectTo(proxy.url, { httpVersion });
    const run = async (n: number) => {
      const starts = await countedScript(`echo run ${n}; exit ${n}`);
      const { text, exit } = await collect(await client.start(starts.request));
      expect({ text: text.stdout, exitCode: exit.exitCode, starts: starts.count() }).toEqual({
        text: `run ${n}\n`,
        exitCode: n,
        starts: 1,
      });
    };
    for (let n = 0; n < 40; n += 4) await Promise.all([run(n), run(n + 1), run(n + 2), run(n + 3)]);
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(3);
  },
);

test("the same startId gives the same process from its first byte, and another request with it is refused", async () => {
  const client = connectTo(agent.url);
  const request = {
    cmd: "bash",
    args: ["-c", "echo once; read x; exit 0"],
    stdin: true,
    startId: `mine-${Math.random()}`,
  };
  const one = await client.start(request);
  await one[Symbol.asyncIterator]().next();
  const other = await client.start(request);
  expect(other.processId).toBe(one.processId);
  await one.closeStdin();
  await expect(collect(other)).resolves.toMatchObject({ text: { stdout: "once\n" } });
  await expect(client.start({ ...request, cmd: "true" })).rejects.toMatchObject({ code: "already_exists" });
});

test("a request that no agent could start fails before it is sent", async () => {
  const client = connectTo("http://127.0.0.1:9");
  for (const wrong of [
    { timeoutMs: 0 },
    { timeoutMs: 1e10 },
    { pty: { cols: -1, rows: 24 } },
    { pty: { cols: 1.5, rows: 24 } },
    { output: { replayBytes: -1 } },
    { output: { detachedBufferBytes: 0.5 } },
  ])
    await expect(client.start({ cmd: "x", ...wrong })).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(client.attach({ pid: -1 })).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(client.attach("x", { fromOffset: Number.NaN })).rejects.toMatchObject({
    code: "invalid_argument",
  });
  await expect(client.signal("x", "SIGNOPE" as "SIGHUP")).rejects.toMatchObject({ code: "invalid_argument" });
});

test("a user name is sent as UTF-8, and an unknown user is refused once", async () => {
  const refused = connectTo(agent.url, { user: "nobody here ü" }).start({ cmd: "true" });
  await expect(refused).rejects.toMatchObject({
    code: "unauthenticated",
    message: expect.stringContaining("nobody here ü"),
  });
});

/** A bash script that also leaves a mark in its own file each time it is started. */
async function countedScript(script: string) {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-start-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "starts");
  return {
    request: { cmd: "bash", args: ["-c", `echo >> ${file}; ${script}`] },
    count: () => readFileSync(file).length,
  };
}
