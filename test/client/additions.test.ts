// Information for clients in addition to output: that the agent stops, whether a process accepts
// input, that its tag is not the only one; and their options: the end alone, a retention, a group,
// a try at once.

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { type ConnectionState, createClient } from "../../src/client/index.ts";
import { startAgent } from "../support/agent/agent.ts";
import { plainClient, untilNone } from "../support/agent/running-processes.ts";
import { receive } from "../support/clients/received-events.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { untilFound } from "../support/until-found.ts";
import { collect } from "./collect.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo, httpVersions } from "./test-client.ts";

const agent = agentForFile();
const stubborn = 'trap "" TERM; echo ready; exec sleep 1000';

test.each(httpVersions)(
  "an attached client learns over HTTP/%s that the agent stops, why, and how long processes have",
  async (httpVersion) => {
    const stopping = await startAgent({ args: ["--shutdown-grace", "200ms"] });
    const states: ConnectionState[] = [];
    const process = await connectTo(stopping.url, { httpVersion }).start(
      { cmd: "bash", args: ["-c", stubborn] },
      { onState: (state) => states.push(state) },
    );
    await process[Symbol.asyncIterator]().next();
    stopping.kill("SIGTERM");
    expect(await process.discardOutput()).toMatchObject({ signal: "SIGKILL" });
    expect(states).toContainEqual({ kind: "stopping", reason: "SIGTERM", graceMs: 200 });
  },
);

test("a client that does not ask for notices gets none", async () => {
  const stopping = await startAgent({ args: ["--shutdown-grace", "100ms"] });
  const received = receive(
    plainClient(stopping.url).start({ process: { cmd: "bash", args: ["-c", stubborn] }, offsets: true }),
  );
  await received.until(() => received.text("stdout") === "ready\n");
  stopping.kill("SIGTERM");
  await received.ended();
  expect(received.kinds).toEqual(["start", "data", "end"]);
});

test("in JSON the notice comes before the end, also to a client that has not read yet", async () => {
  const stopping = await startAgent({ args: ["--shutdown-grace", "100ms"] });
  const received = receive(
    plainClient(stopping.url).start({ process: { cmd: "bash", args: ["-c", stubborn] }, notices: true }),
  );
  await received.until(() => received.text("stdout") === "ready\n");
  stopping.kill("SIGINT");
  await received.ended();
  expect(received.kinds).toEqual(["start", "data", "agentStopping", "end"]);
});

test("with endOnly a client gets no output, and the end with its exit code", async () => {
  const client = connectTo(agent.url);
  const writer = await client.start({
    cmd: "bash",
    args: ["-c", "echo early; read x; seq 100000; exit 5"],
    stdin: true,
  });
  const waiting = await client.attach(writer.processId, { endOnly: true, fromOffset: 0 });
  const collected = collect(waiting);
  await writer.write("\n");
  expect(await writer.discardOutput()).toMatchObject({ exitCode: 5 });
  const { text, gaps, exit } = await collected;
  expect(text).toEqual({ stdout: "", stderr: "", pty: "" });
  expect(gaps).toEqual([{ kind: "gap", from: 0, to: 588_901 }]);
  expect(exit).toMatchObject({ exitCode: 5, offset: 588_901 });
});

test("a client that waits for the end alone neither reads for a blocked process nor delivers its output", async () => {
  const client = connectTo(agent.url);
  const writer = await client.start({ cmd: "seq", args: ["300000"], output: { detached: "block" } });
  writer.detach();
  const waiting = await client.attach(writer.processId, { endOnly: true });
  const ended = waiting.discardOutput();
  const reader = await client.attach(writer.processId);
  const { gaps, exit } = await collect(reader);
  expect({ gaps, exitCode: exit.exitCode }).toEqual({ gaps: [], exitCode: 0 });
  expect(await ended).toMatchObject({ exitCode: 0, offset: 1_988_895 });
});

test("end_only without LAG_SKIP is invalid_argument", async () => {
  const connected = plainClient(agent.url).connect({
    process: { selector: { case: "pid", value: 1 } },
    endOnly: true,
  });
  await expect(receive(connected).ended()).rejects.toMatchObject({
    rawMessage: expect.stringContaining("no process"),
  });
  const { pid } = await connectTo(agent.url).start({ cmd: "sleep", args: ["100"] });
  const refused = plainClient(agent.url).connect({
    process: { selector: { case: "pid", value: pid } },
    endOnly: true,
  });
  await expect(receive(refused).ended()).rejects.toMatchObject({
    rawMessage: "end_only is for observers; give lag LAG_SKIP with it",
  });
});

test("a client learns how many other live processes have the tag, and whether a process accepts input", async () => {
  const client = connectTo(agent.url);
  const sleep = { cmd: "sleep", args: ["1000"], tag: "twice" };
  const first = await client.start(sleep);
  const second = await client.start({ ...sleep, stdin: true });
  const third = await client.start({ ...sleep, pty: { cols: 80, rows: 24 } });
  expect([first, second, third].map(({ sameTag }) => sameTag)).toEqual([0, 1, 2]);
  expect([first, second, third].map(({ acceptsInput }) => acceptsInput)).toEqual([false, true, true]);
  const untagged = await client.start({ cmd: "sleep", args: ["1000"] });
  expect(untagged.sameTag).toBe(0);
  expect((await client.attach(second.processId)).sameTag).toBe(2);
});

test("retryNow ends the wait before the next try", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const waiting: number[] = [];
  const client = createClient({
    baseUrl: proxy.url,
    reconnect: { initialDelayMs: 3_600_000, maxDelayMs: 3_600_000, random: () => 0.9 },
  });
  let wake = (): void => undefined;
  const process = await client.start(
    { cmd: "bash", args: ["-c", "echo ready; read x; exit 4"], stdin: true },
    {
      onState: (state) => {
        if (state.kind !== "reconnecting") return;
        waiting.push(state.delayMs);
        wake();
      },
    },
  );
  const down = new Promise<void>((resolve) => {
    wake = resolve;
  });
  process.retryNow();
  const exit = process.discardOutput();
  proxy.cut("rst");
  await down;
  expect(waiting).toEqual([0.9 * 3_600_000]);
  // The pause begins in the same turn, after the report.
  setImmediate(() => process.retryNow());
  await plainClient(agent.url).closeStdin({
    process: { selector: { case: "processId", value: process.processId } },
  });
  expect(await exit).toMatchObject({ exitCode: 4 });
  client.close();
});

test("a process that is to be forgotten when its end is delivered is there until then", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({ cmd: "cat", stdin: true, forgetDelivered: true });
  process.detach();
  const [selected] = await client.list({ process: process.processId });
  expect(selected).toMatchObject({ pid: process.pid });
  await untilFound(
    async () =>
      (await client.list({ process: process.processId }))[0]?.subscribers === 0 ? true : undefined,
    () => "still attached",
  );
  await plainClient(agent.url).closeStdin({
    process: { selector: { case: "processId", value: process.processId } },
  });
  await untilNone(plainClient(agent.url), ({ pid }) => pid === process.pid);
  const watcher = await client.attach(process.processId, { endOnly: true });
  expect(await watcher.discardOutput()).toMatchObject({ exitCode: 0 });
  const reader = await client.attach(process.processId);
  expect(await reader.discardOutput()).toMatchObject({ exitCode: 0 });
  await expect(client.attach(process.processId)).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringMatching(/ended \d+ s ago \(exit status 0\), and its result was delivered/),
  });
});

test("a retention beyond the agent's limit is refused with the name of the flag", async () => {
  const client = connectTo(agent.url);
  await expect(client.start({ cmd: "true", retainEndedMs: 25 * 3_600_000 })).rejects.toMatchObject({
    message: "retain_ended_ms is 90000000; the limit is 86400000 (--max-retain-ended)",
  });
  await expect(client.start({ cmd: "true", retainEndedMs: -1 })).rejects.toMatchObject({
    message: "retainEndedMs is -1, must be a whole number of milliseconds, 0 or more",
  });
});

test("a user with a colon is refused: its group would be dropped", async () => {
  await expect(connectTo(agent.url).start({ cmd: "true", user: "nobody:root" })).rejects.toMatchObject({
    message: 'user "nobody:root" holds a colon: give the group with "group"',
  });
});

test.runIf(process.getuid?.() === 0)(
  "a process runs in the group that is asked for, and in no other",
  async () => {
    const client = connectTo(agent.url);
    const idOf = async (user: string | number | undefined, group: string | undefined, pty: boolean) => {
      const process = await client.start({
        cmd: "sh",
        args: ["-c", "id -u; id -g; id -G"],
        ...(typeof user === "string" ? { user } : {}),
        ...(typeof user === "number" ? { uid: user } : {}),
        ...(group === undefined ? {} : { group }),
        ...(pty ? { pty: { cols: 80, rows: 24 } } : {}),
      });
      let text = "";
      for await (const event of process) if (event.kind !== "gap") text += Buffer.from(event.data).toString();
      return text.replaceAll("\r", "").trim().split("\n").join(" ");
    };
    const uid = execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }).trim();
    for (const pty of [false, true]) {
      expect(await idOf("nobody", "root", pty)).toBe(`${uid} 0 0`);
      expect(await idOf("nobody", "4711", pty)).toBe(`${uid} 4711 4711`);
      expect(await idOf(undefined, "4711", pty)).toBe("0 4711 4711");
      expect(await idOf(48151, undefined, pty)).toBe("48151 48151 48151");
      expect(await idOf(0, undefined, pty)).toMatch(/^0 0/);
    }
    await expect(client.start({ cmd: "true", group: "no such group" })).rejects.toMatchObject({
      code: "unauthenticated",
      message: 'no such group: "no such group"',
    });
    await expect(client.start({ cmd: "true", uid: 4294967295 })).rejects.toMatchObject({
      message: 'no such user: "4294967295"',
    });
  },
);
