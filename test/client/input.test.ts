// Input arrives once and in order, even if connections break.

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../support/fake-clock.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { untilFound } from "../support/until-found.ts";
import { collect } from "./collect.ts";
import { agentForFile } from "./file-agent.ts";
import { losingTransport } from "./losing-transport.ts";
import { serveScript, startEvent } from "./scripted-agent.ts";
import { connectTo, httpVersions, untilSignalled } from "./test-client.ts";

const agent = agentForFile();
const MIB = 1024 * 1024;

describe.each(httpVersions)("over HTTP/%s", (httpVersion) => {
  test("input of any size arrives complete over connections that are cut repeatedly", async () => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      kinds: ["rst", "fin"],
      afterBytes: { min: 500, max: 300_000 },
    });
    const input = numbered(3 * MIB);
    const process = await connectTo(proxy.url, { httpVersion }).start({ cmd: "sha256sum", stdin: true });
    const output = collect(process);
    for (const [from, to] of [
      [0, 1],
      [1, 8],
      [8, 100_000],
      [100_000, input.length],
    ])
      await process.write(input.subarray(from, to));
    await process.closeStdin();
    expect((await output).text.stdout).toBe(`${sha256(input)}  -\n`);
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(5);
  });
});

test("writes that are not awaited keep their order", async () => {
  const process = await connectTo(agent.url).start({ cmd: "cat", stdin: true });
  const words = Array.from({ length: 50 }, (_, n) => `word ${n}\n`);
  const done = Promise.all([...words.map((word) => process.write(word)), process.closeStdin()]);
  const [{ text }] = await Promise.all([collect(process), done]);
  expect(text.stdout).toBe(words.join(""));
});

test("two clients write to one process, and the agent counts their input apart", async () => {
  const one = await connectTo(agent.url).start({ cmd: "cat", stdin: true });
  const other = await connectTo(agent.url).attach(one.processId, { lag: "skip" });
  for (const n of [1, 2, 3]) {
    await one.write(`one ${n}\n`);
    await other.write(`other ${n}\n`);
  }
  await other.closeStdin();
  await expect(collect(one)).resolves.toMatchObject({
    text: { stdout: "one 1\nother 1\none 2\nother 2\none 3\nother 3\n" },
  });
});

test("an attached terminal receives input on its pty", async () => {
  const client = connectTo(agent.url);
  const started = await client.start({
    cmd: "bash",
    args: ["-c", "read line; echo got $line"],
    pty: { cols: 80, rows: 24 },
  });
  const attached = await client.attach(started.processId, { fromOffset: 0 });
  started.detach();
  await attached.write("hello\r");
  expect((await collect(attached)).text.pty).toContain("got hello\r\n");
});

test("a write without an answer is repeated, and no byte arrives twice", async () => {
  const clock = new FakeClock();
  const client = connectTo(agent.url, { reconnect: { clock, keepaliveSeconds: 10, random: () => 0 } });
  const process = await client.start({
    cmd: "bash",
    args: ["-c", `${untilSignalled}; exec sha256sum`],
    stdin: true,
  });
  await process[Symbol.asyncIterator]().next();
  const input = numbered(MIB);
  const write = process.write(input);
  for (const tryMs of [20_000, 20_000]) {
    await untilFound(
      () => clock.pendingMs.includes(tryMs) || undefined,
      () => clock.pendingMs,
    );
    clock.advance(tryMs);
    await untilFound(
      () => clock.pendingMs.includes(0) || undefined,
      () => clock.pendingMs,
    );
    clock.advance(0);
  }
  await process.signal("SIGUSR1");
  await write;
  await process.closeStdin();
  expect((await collect(process)).text.stdout).toBe(`${sha256(input)}  -\n`);
});

test("a write to a process that does not read waits for longer than giveUpAfterMs", async () => {
  const { transport, sent } = losingTransport(agent.url, {});
  const client = connectTo("", { transport, reconnect: { keepaliveSeconds: 1, giveUpAfterMs: 0 } });
  const process = await client.start({
    cmd: "bash",
    args: ["-c", `${untilSignalled}; exec sha256sum`],
    stdin: true,
  });
  await process[Symbol.asyncIterator]().next();
  const input = numbered(MIB);
  const write = process.write(input);
  // The agent has answered twice that it still waits.
  await untilFound(
    () => sent("SendInput") > 3 || undefined,
    () => sent("SendInput"),
  );
  await process.signal("SIGUSR1");
  await write;
  await process.closeStdin();
  expect((await collect(process)).text.stdout).toBe(`${sha256(input)}  -\n`);
});

test("an aborted write rejects at once, and later writes arrive complete", async () => {
  const process = await connectTo(agent.url).start({
    cmd: "bash",
    args: ["-c", `${untilSignalled}; exec cat`],
    stdin: true,
  });
  await process[Symbol.asyncIterator]().next();
  const controller = new AbortController();
  const blocked = process.write(new Uint8Array(MIB), { signal: controller.signal });
  const behind = process.write("never sent", { signal: controller.signal });
  const last = process.write("the last").then(() => process.closeStdin());
  controller.abort(new Error("changed my mind"));
  await expect(blocked).rejects.toThrow("changed my mind");
  await expect(behind).rejects.toThrow("changed my mind");
  await process.signal("SIGUSR1");
  const { text } = await collect(process);
  await last;
  // A part of the aborted write may have been accepted before; nothing of the writes behind it.
  expect(text.stdout.replaceAll("\0", "")).toBe("the last");
});

test("a write to a process that has ended fails and names the reason", async () => {
  const process = await connectTo(agent.url).start({ cmd: "true", stdin: true });
  await process.discardOutput();
  await expect(process.write("x")).rejects.toMatchObject({
    name: "ClientError",
    code: "failed_precondition",
    message: expect.stringMatching(/^process \d+ has ended: it takes no input$/),
  });
});

test("a write whose answer was lost succeeds even if the process has ended since", async () => {
  const { transport, sent } = losingTransport(agent.url, { SendInput: 2 });
  const client = connectTo("", { transport });
  const process = await client.start({ cmd: "head", args: ["-c", "5"], stdin: true });
  const [{ text }] = await Promise.all([collect(process), process.write("12345")]);
  expect(text.stdout).toBe("12345");
  expect(sent("SendInput")).toBe(3);
});

test("closeStdin succeeds if its answer was lost and the process has ended because of it", async () => {
  const { transport, sent } = losingTransport(agent.url, { CloseStdin: 2 });
  const client = connectTo("", { transport });
  const process = await client.start({ cmd: "cat", stdin: true });
  await Promise.all([process.discardOutput(), process.closeStdin()]);
  expect(sent("CloseStdin")).toBeGreaterThan(1);
});

test("a signal whose answer was lost is sent again only if twice has the same effect as once", async () => {
  const { transport, sent } = losingTransport(agent.url, { SendSignal: 2 });
  const client = connectTo("", { transport });
  const process = await client.start({ cmd: "sleep", args: ["60"] });
  await expect(process.signal("SIGWINCH")).rejects.toMatchObject({ code: "unavailable" });
  expect(sent("SendSignal")).toBe(1);
  await process.signal("SIGCONT");
  expect(sent("SendSignal")).toBe(3);
});

test("a SIGKILL whose answer was lost succeeds, although the repeat finds no process", async () => {
  const { transport, sent } = losingTransport(agent.url, { SendSignal: 2 });
  const client = connectTo("", { transport });
  const process = await client.start({ cmd: "sleep", args: ["60"] });
  const over = process.discardOutput();
  await process.signal("SIGKILL");
  expect(sent("SendSignal")).toBeGreaterThan(1);
  expect(await over).toMatchObject({ signal: "SIGKILL" });
  // Without a repeat it is an error.
  await expect(client.signal(process.processId, "SIGKILL")).rejects.toMatchObject({ code: "not_found" });
});

test("an agent that accepts more input than was sent fails the write", async () => {
  const url = await serveScript({
    async *start() {
      yield { event: { event: startEvent(0) } };
    },
    sendInput: () => ({ offset: 7n }),
  });
  const process = await connectTo(url).start({ cmd: "x", stdin: true });
  await expect(process.write("12345")).rejects.toMatchObject({ code: "data_loss" });
});

function numbered(bytes: number): Uint8Array {
  const lines = Array.from({ length: bytes / 8 }, (_, n) => `${n}`.padStart(7, "0"));
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
