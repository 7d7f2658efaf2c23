// Connections break, processes do not: over a proxy that cuts, the same output arrives as without
// one.

import { describe, expect, test } from "vitest";
import { type ConnectionState, GapError, ProcessGoneError } from "../../src/client/index.ts";
import { startAgent } from "../support/agent/agent.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { untilFound } from "../support/until-found.ts";
import { collect } from "./collect.ts";
import { outputHash, talk, talkOnPipes } from "./direct-run.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo, httpVersions, untilSignalled } from "./test-client.ts";

const agent = agentForFile();

describe.each(httpVersions)("over HTTP/%s", (httpVersion) => {
  test.each(["rst", "fin"] as const)(
    "both streams arrive complete over connections that end by %s",
    async (kind) => {
      const proxy = await startCuttingProxy({
        port: agent.port,
        kinds: [kind],
        afterBytes: { min: 2000, max: 100_000 },
      });
      const process = await connectTo(proxy.url, { httpVersion }).start({
        cmd: "bash",
        args: ["-c", talk],
        output: { replayBytes: 4 * 1024 * 1024 },
      });
      const { sha256, gaps, exit } = await collect(process);
      expect({ gaps, stdout: sha256.stdout, stderr: sha256.stderr }).toEqual({ gaps: [], ...talkOnPipes() });
      expect(exit).toMatchObject({ exitCode: 0 });
      expect(proxy.cuts[kind]).toBeGreaterThan(2);
    },
  );

  test.each([3_000, 30_000, 60_000])(
    "output arrives complete over connections that all break after %i bytes",
    async (bytes) => {
      const proxy = await startCuttingProxy({
        port: agent.port,
        kinds: ["fin"],
        afterBytes: { min: bytes, max: bytes },
      });
      const reconnect = { initialDelayMs: 1, maxDelayMs: 10 };
      const process = await connectTo(proxy.url, { httpVersion, reconnect }).start({
        cmd: "seq",
        args: ["40000"],
        output: { detached: "buffer", replayBytes: 4 * 1024 * 1024, detachedBufferBytes: 1024 * 1024 },
      });
      const { sha256, gaps } = await collect(process);
      expect({ gaps, stdout: sha256.stdout }).toEqual({ gaps: [], stdout: outputHash("seq 40000") });
    },
  );

  test("a terminal's output arrives complete over connections that are cut", async () => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      kinds: ["rst", "fin"],
      afterBytes: { min: 2000, max: 50_000 },
    });
    const process = await connectTo(proxy.url, { httpVersion }).start({
      cmd: "bash",
      args: ["-c", "stty -opost; seq 100000"],
      pty: { cols: 80, rows: 24 },
      output: { replayBytes: 4 * 1024 * 1024 },
    });
    const { sha256 } = await collect(process);
    expect(sha256.pty).toBe(outputHash("seq 100000"));
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(2);
  });
});

test("onState reports each change of the connection with its reason", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const states: ConnectionState[] = [];
  const client = connectTo(proxy.url);
  const process = await client.start(
    { cmd: "bash", args: ["-c", "echo one; read x; echo two"], stdin: true },
    { onState: (state) => states.push(state) },
  );
  const iterator = process[Symbol.asyncIterator]();
  await iterator.next();
  const next = iterator.next();
  proxy.refusing = true;
  proxy.cut("rst");
  await untilFound(
    () => states.filter(({ kind }) => kind === "reconnecting")[3],
    () => states,
  );
  proxy.refusing = false;
  await process.write("\n");
  await expect(next).resolves.toMatchObject({ value: { kind: "stdout", offset: 4 } });
  expect(states[0]).toEqual({ kind: "connected", offset: 0 });
  expect(states.at(-1)).toEqual({ kind: "connected", offset: 4 });
  for (const [index, state] of states.slice(1, -1).entries())
    expect(state).toMatchObject({
      kind: "reconnecting",
      attempt: index + 1,
      reason: { code: "unavailable", message: expect.stringContaining("the connection to the agent failed") },
    });
});

test("a process that ends while its client is disconnected delivers its output and its exit later", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const process = await connectTo(proxy.url).start({
    cmd: "bash",
    args: ["-c", "echo before; read x; echo after; exit 7"],
    stdin: true,
  });
  const iterator = process[Symbol.asyncIterator]();
  await iterator.next();
  proxy.refusing = true;
  proxy.cut("fin");
  const direct = connectTo(agent.url);
  await (await direct.attach(process.processId, { lag: "skip" })).write("\n");
  await untilFound(
    async () => ((await direct.list()).length === 0 ? true : undefined),
    () => direct.list(),
  );
  proxy.refusing = false;
  await expect(collect(process)).resolves.toMatchObject({
    text: { stdout: "after\n" },
    exit: { exitCode: 7 },
  });
});

describe("output that the agent no longer holds", () => {
  test("arrives as a gap event with the missing range", async () => {
    const process = await readLate("event");
    const { gaps, exit, text } = await collect(process);
    const heldBytes = text.stdout.length;
    expect(gaps).toEqual([{ kind: "gap", from: 6, to: 100_006 - heldBytes }]);
    expect(heldBytes).toBeGreaterThanOrEqual(1000);
    expect(exit.offset).toBe(100_006);
  });

  test("is an error of the iteration and of the exit with onGap error", async () => {
    const process = await readLate("error");
    await expect(collect(process)).rejects.toBeInstanceOf(GapError);
    await expect(process.exit).rejects.toMatchObject({ from: 6, to: expect.any(Number), code: "data_loss" });
    expect(process.offset).toBe(6);
  });

  /**
   * The client has read "ready\n" when its connection is cut. 100,000 bytes follow before it can
   * return, and the agent keeps 1,000 or a few more.
   */
  async function readLate(onGap: "event" | "error") {
    const proxy = await startCuttingProxy({ port: agent.port });
    const process = await connectTo(proxy.url).start(
      {
        cmd: "bash",
        args: ["-c", `${untilSignalled}; head -c 100000 /dev/zero`],
        output: { detached: "ring", replayBytes: 1000 },
      },
      { onGap },
    );
    await process[Symbol.asyncIterator]().next();
    proxy.refusing = true;
    proxy.cut("rst");
    const direct = connectTo(agent.url);
    const look = async () =>
      (await direct.list({ includeEnded: true })).find((info) => info.processId === process.processId);
    await untilFound(async () => ((await look())?.subscribers === 0 ? true : undefined), look);
    await direct.signal(process.processId, "SIGUSR1");
    await untilFound(async () => (await look())?.exit, look);
    proxy.refusing = false;
    return process;
  }
});

test("attaching to a process that the agent no longer knows fails with ProcessGoneError", async () => {
  const proxied = await startAgent({ args: ["--retain-ended", "0s"] });
  const proxy = await startCuttingProxy({ port: proxied.port });
  const states: ConnectionState[] = [];
  const process = await connectTo(proxy.url).start(
    { cmd: "sleep", args: ["60"] },
    { onState: (state) => states.push(state) },
  );
  proxy.refusing = true;
  proxy.cut("rst");
  const direct = connectTo(proxied.url);
  await direct.signal(process.processId, "SIGKILL");
  await untilFound(
    async () => ((await direct.list()).length === 0 ? true : undefined),
    () => direct.list(),
  );
  proxy.refusing = false;
  await expect(collect(process)).rejects.toBeInstanceOf(ProcessGoneError);
  await expect(process.exit).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringMatching(
      /^no process with process_id ".*": process \d+ ended \d+ s ago \(signal: killed\), and its result was kept for 0 s \(/,
    ),
  });
  expect(states.at(-1)).toMatchObject({ kind: "gone", error: { name: "ProcessGoneError" } });
});

test("after the agent restarts, reads and writes of its earlier processes fail with ProcessGoneError", async () => {
  const first = await startAgent();
  const client = connectTo(first.url);
  // They end with their stdin and stdout, and so with the agent.
  const read = await client.start({ cmd: "cat", stdin: true });
  const written = await client.start({ cmd: "cat", stdin: true });
  const next = read[Symbol.asyncIterator]().next();
  // No client reads its output, so it cannot take all of the input.
  const write = written.write(new Uint8Array(32 * 1024 * 1024));
  first.kill("SIGKILL");
  await first.exited();
  await startAgent({ args: ["--port", String(first.port)] });
  await expect(next).rejects.toBeInstanceOf(ProcessGoneError);
  await expect(write).rejects.toBeInstanceOf(ProcessGoneError);
});

test("an agent that stays out of reach is given up after giveUpAfterMs", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const process = await connectTo(proxy.url, { reconnect: { giveUpAfterMs: 200 } }).start({
    cmd: "sleep",
    args: ["60"],
  });
  proxy.refusing = true;
  proxy.cut("rst");
  await expect(collect(process)).rejects.toMatchObject({ code: "unavailable" });
});

test("an observer resumes as an observer and never slows the process", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const started = await connectTo(agent.url).start({
    cmd: "bash",
    args: ["-c", "echo first; read x; echo second; exit 0"],
    stdin: true,
  });
  const observer = await connectTo(proxy.url).attach(started.processId, { fromOffset: 0, lag: "skip" });
  await observer[Symbol.asyncIterator]().next();
  proxy.cut("rst");
  await started.write("\n");
  await expect(started.discardOutput()).resolves.toMatchObject({ exitCode: 0 });
  await expect(collect(observer)).resolves.toMatchObject({
    text: { stdout: "second\n" },
    exit: { exitCode: 0 },
  });
});
