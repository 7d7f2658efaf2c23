// A process through the client on sound connections: started, read, signalled, resized, listed,
// found again.

import { describe, expect, test } from "vitest";
import type { OutputEvent } from "../../src/client/index.ts";
import { startAgent } from "../support/agent/agent.ts";
import { untilFound } from "../support/until-found.ts";
import { collect } from "./collect.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo, httpVersions } from "./test-client.ts";

const agent = agentForFile();

describe.each(httpVersions)("over HTTP/%s", (httpVersion) => {
  test("a command's output arrives with stream and offset, then its exit", async () => {
    const client = connectTo(agent.url, { httpVersion });
    const process = await client.start({
      cmd: "bash",
      args: ["-c", "echo out; read x; echo err >&2; exit 3"],
      stdin: true,
    });
    expect(process).toMatchObject({ pid: expect.any(Number), isPty: false, offset: 0 });

    const events: OutputEvent[] = [];
    for await (const event of process) {
      events.push(event);
      if (event.kind === "stdout") await process.write("go on\n");
    }
    expect(
      events.map((event) => ({
        ...event,
        ...("data" in event ? { data: String.fromCharCode(...event.data) } : {}),
      })),
    ).toEqual([
      { kind: "stdout", data: "out\n", offset: 0 },
      { kind: "stderr", data: "err\n", offset: 4 },
    ]);
    expect(await process.exit).toEqual({
      exitCode: 3,
      exited: true,
      status: "exit status 3",
      error: "exit status 3",
      timedOut: false,
      offset: 8,
    });
    expect(process.offset).toBe(8);
  });

  test("a terminal has its first size, and after a resize the new one", async () => {
    const client = connectTo(agent.url, { httpVersion });
    const process = await client.start({
      cmd: "bash",
      args: ["-c", "stty size; read x; stty size"],
      pty: { cols: 80, rows: 24 },
    });
    expect(process.isPty).toBe(true);
    const iterator = process[Symbol.asyncIterator]();
    let first = "";
    while (!first.endsWith("\r\n")) first += new TextDecoder().decode((await iterator.next()).value?.data);
    expect(first).toBe("24 80\r\n");
    const sizes = [81, 82, 83, 120].map((cols) => process.resize({ cols, rows: 50 }));
    await Promise.all(sizes);
    await process.write("\r");
    const { text } = await collect(process);
    expect(text.pty).toBe("\r\n50 120\r\n");
  });
});

test("an invalid size fails its own resize and no other", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({
    cmd: "bash",
    args: ["-c", "read x; stty size"],
    pty: { cols: 80, rows: 24 },
  });
  const [good, bad] = [process.resize({ cols: 90, rows: 30 }), process.resize({ cols: -1, rows: 30 })];
  await expect(bad).rejects.toMatchObject({ code: "invalid_argument" });
  await good;
  await process.write("\r");
  expect((await collect(process)).text.pty).toContain("30 90");
});

test("env, cwd, tag, user and output policy reach the process", async () => {
  const client = connectTo(agent.url, { user: "root" });
  const process = await client.start({
    cmd: "bash",
    args: ["-c", 'echo "$A $PWD $USER"; read x'],
    env: { A: "é ü" },
    cwd: "/tmp",
    tag: "named",
    stdin: true,
    output: { detached: "ring", replayBytes: 4 },
  });
  const [listed] = await client.list();
  expect(listed).toMatchObject({
    pid: process.pid,
    processId: process.processId,
    cmd: "bash",
    env: { A: "é ü" },
    cwd: "/tmp",
    tag: "named",
    isPty: false,
    subscribers: 1,
    reading: true,
  });
  expect(Math.abs(Number(listed?.startedAt) - Date.now())).toBeLessThan(60_000);
  const { value } = await process[Symbol.asyncIterator]().next();
  expect(new TextDecoder().decode(value?.data)).toBe("é ü /tmp root\n");
});

test("without stdin a process reads the end of file at once", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({ cmd: "cat" });
  await expect(process.discardOutput()).resolves.toMatchObject({ exitCode: 0 });
  await expect(process.write("x")).rejects.toMatchObject({ code: "failed_precondition" });
});

test("a process is killed at its time limit, and its exit has timedOut", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({
    cmd: "bash",
    args: ["-c", "echo before; exec sleep 60"],
    timeoutMs: 300,
  });
  const { exit, text } = await collect(process);
  expect(text.stdout).toBe("before\n");
  expect(exit).toMatchObject({ exited: false, exitCode: -1, signal: "SIGKILL", timedOut: true });
  const all = await client.list({ includeEnded: true });
  expect(all.find(({ processId }) => processId === process.processId)).toMatchObject({
    exit: { timedOut: true },
  });
  expect(await client.list()).toEqual([]);
});

test("the exit has timedOut even if the agent retains no ended processes", async () => {
  const client = connectTo((await startAgent({ args: ["--retain-ended", "0s"] })).url);
  const process = await client.start({ cmd: "sleep", args: ["60"], timeoutMs: 200 });
  await expect(process.discardOutput()).resolves.toMatchObject({ signal: "SIGKILL", timedOut: true });
});

test("exit waits for a reader, even if the process ended long before", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({ cmd: "bash", args: ["-c", "echo hello; exit 3"] });
  const look = async () =>
    (await client.list({ includeEnded: true })).find(({ processId }) => processId === process.processId);
  await untilFound(async () => (await look())?.exit, look);
  await expect(Promise.race([process.exit, look().then(() => "nothing yet")])).resolves.toBe("nothing yet");
  await process.discardOutput();
  await expect(process.exit).resolves.toMatchObject({ exitCode: 3 });
});

test("a loop that is left keeps its place, and a second loop continues there", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({
    cmd: "bash",
    args: ["-c", "echo first; read x; echo second; read x; echo third"],
    stdin: true,
  });
  const seen: string[] = [];
  for (const _ of [1, 2])
    for await (const event of process) {
      if (event.kind === "gap") continue;
      seen.push(new TextDecoder().decode(event.data));
      await process.write("\n");
      break;
    }
  expect(process.offset).toBe("first\nsecond\n".length);
  const { text } = await collect(process);
  expect([...seen, text.stdout]).toEqual(["first\n", "second\n", "third\n"]);
});

test("a signal reaches a process by tag, and a group signal its descendants", async () => {
  const client = connectTo(agent.url);
  const one = await client.start({ cmd: "sleep", args: ["60"], tag: "sleeper" });
  await client.signal({ tag: "sleeper" }, "SIGINT");
  await expect(one.discardOutput()).resolves.toMatchObject({ signal: "SIGINT", status: "signal: interrupt" });

  const many = await client.start({ cmd: "bash", args: ["-c", "sleep 60 & sleep 60; echo not reached"] });
  await many.signal("SIGTERM", { group: true });
  const { exit, text } = await collect(many);
  expect({ signal: exit.signal, text: text.stdout }).toEqual({ signal: "SIGTERM", text: "" });
});

test("attach selects a process by pid, tag or process_id and starts at its first byte or at an offset", async () => {
  const client = connectTo(agent.url);
  const started = await client.start({
    cmd: "bash",
    args: ["-c", "echo 0123456789; read x; exit 0"],
    stdin: true,
    tag: "digits",
  });
  await started[Symbol.asyncIterator]().next();
  const { pid, processId } = started;
  for (const selector of [{ pid }, { tag: "digits" }, { processId }, processId]) {
    const attached = await client.attach(selector, { fromOffset: 4 });
    const { value } = await attached[Symbol.asyncIterator]().next();
    expect({ id: attached.processId, offset: value?.offset }).toEqual({ id: processId, offset: 4 });
    expect(new TextDecoder().decode(value?.data)).toBe("456789\n");
    attached.detach();
  }
  await started.closeStdin();
  await expect(started.discardOutput()).resolves.toMatchObject({ exitCode: 0 });
  const late = await client.attach({ pid }, { fromOffset: 0 });
  await expect(collect(late)).resolves.toMatchObject({
    text: { stdout: "0123456789\n" },
    exit: { exitCode: 0 },
  });
});
