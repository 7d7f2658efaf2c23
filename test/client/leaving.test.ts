// Leaving a process by abort, detach or close takes effect at once, leaves nothing behind, and
// never ends the process.

import { describe, expect, test } from "vitest";
import type { CallOptions, ConnectionState, RemoteProcess } from "../../src/client/index.ts";
import { ClientError, DetachedError } from "../../src/client/index.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { untilFound } from "../support/until-found.ts";
import { agentForFile } from "./file-agent.ts";
import { dataEvent, endEvent, type StreamEvent, serveScript, startEvent } from "./scripted-agent.ts";
import { connectTo, httpVersions } from "./test-client.ts";

const agent = agentForFile();
const sleeper = { cmd: "sleep", args: ["60"] };

describe.each(httpVersions)("over HTTP/%s", (httpVersion) => {
  test("detach ends a waiting loop without an error and drops the connection", async () => {
    const client = connectTo(agent.url, { httpVersion });
    const process = await client.start(sleeper);
    const next = process[Symbol.asyncIterator]().next();
    process.detach();
    process.detach();
    await expect(next).resolves.toEqual({ done: true, value: undefined });
    await expect(process.exit).rejects.toBeInstanceOf(DetachedError);
    await expect(process.write("x")).rejects.toBeInstanceOf(DetachedError);
    await expect(process.discardOutput()).rejects.toBeInstanceOf(DetachedError);
    await unattended(process);
  });

  test("an abort rejects the loop, the exit and pending calls with its reason", async () => {
    const client = connectTo(agent.url, { httpVersion });
    const controller = new AbortController();
    const states: ConnectionState[] = [];
    const process = await client.start(sleeper, {
      signal: controller.signal,
      onState: (state) => states.push(state),
    });
    const next = process[Symbol.asyncIterator]().next();
    const reason = new Error("no more");
    controller.abort(reason);
    await expect(next).rejects.toBe(reason);
    await expect(process.exit).rejects.toBe(reason);
    await expect(process.signal("SIGTERM")).rejects.toBe(reason);
    await unattended(process);
    expect(states).toEqual([{ kind: "connected", offset: 0 }]);
  });
});

test("a start that is aborted before it is sent starts nothing", async () => {
  const client = connectTo(agent.url);
  const signal = AbortSignal.abort(new Error("too late"));
  await expect(client.start(sleeper, { signal })).rejects.toThrow("too late");
  await expect(client.attach({ tag: "x" }, { signal })).rejects.toThrow("too late");
  await expect(client.list({ signal })).rejects.toThrow("too late");
  await expect(client.signal({ pid: 1 }, "SIGCONT", { signal })).rejects.toThrow("too late");
  expect(await client.list()).toEqual([]);
});

test("an abort ends a call without an answer and a call that waits for its next try", async () => {
  const url = await serveScript({ list: () => new Promise(() => undefined) });
  for (const baseUrl of [url, "http://127.0.0.1:9"]) {
    const controller = new AbortController();
    const list = connectTo(baseUrl, { reconnect: { initialDelayMs: 20_000, maxDelayMs: 20_000 } }).list({
      signal: controller.signal,
    });
    setImmediate(() => controller.abort(new Error("enough")));
    await expect(list).rejects.toThrow("enough");
  }
});

test("an abort ends a start and an attach without an answer, and the wait between their tries", async () => {
  const url = await serveScript({ start: forEver, connect: forEver });
  for (const baseUrl of [url, "http://127.0.0.1:9"]) {
    const client = connectTo(baseUrl, { reconnect: { initialDelayMs: 20_000, maxDelayMs: 20_000 } });
    const controller = new AbortController();
    const { signal } = controller;
    const attempts = [client.start(sleeper, { signal }), client.attach({ pid: 1 }, { signal })];
    setImmediate(() => controller.abort(new Error("enough")));
    for (const attempt of attempts) await expect(attempt).rejects.toThrow("enough");
  }
});

const calls: readonly [string, (process: RemoteProcess, signal?: AbortSignal) => Promise<unknown>][] = [
  ["a write", (process, signal) => process.write("x", callOptions(signal))],
  ["a closeStdin", (process, signal) => process.closeStdin(callOptions(signal))],
  ["a resize", (process, signal) => process.resize({ cols: 1, rows: 1 }, callOptions(signal))],
  ["a signal", (process, signal) => process.signal("SIGTERM", callOptions(signal))],
];

describe.each(calls)("%s without an answer ends", (_name, call) => {
  test("at its own signal, and the process stays attached", async () => {
    const { process } = await startUnanswered([startEvent(0), dataEvent("abc", 0)]);
    const controller = new AbortController();
    const pending = call(process, controller.signal);
    setImmediate(() => controller.abort(new Error("its own")));
    await expect(pending).rejects.toThrow("its own");
    await expect(process[Symbol.asyncIterator]().next()).resolves.toMatchObject({ done: false });
  });

  test.each<[string, StreamEvent[]]>([
    ["runs", [startEvent(0), dataEvent("abc", 0)]],
    ["has ended", [startEvent(0), endEvent(0)]],
  ])("by the signal of a process that %s, by detach and by close", async (_state, events) => {
    for (const way of ["abort", "detach", "close"] as const) {
      const { process, client, controller } = await startUnanswered(events);
      await process[Symbol.asyncIterator]().next();
      const pending = call(process);
      setImmediate(() => {
        if (way === "abort") controller.abort(new Error("the process's"));
        if (way === "detach") process.detach();
        if (way === "close") client.close();
      });
      if (way === "abort") await expect(pending).rejects.toThrow("the process's");
      else await expect(pending).rejects.toBeInstanceOf(DetachedError);
    }
  });
});

test("an abort ends the wait between two tries of an attached process", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const controller = new AbortController();
  const states: ConnectionState[] = [];
  const client = connectTo(proxy.url, {
    reconnect: { initialDelayMs: 60_000, maxDelayMs: 60_000, random: () => 0.9 },
  });
  const process = await client.start(sleeper, {
    signal: controller.signal,
    onState: (state) => states.push(state),
  });
  const next = process[Symbol.asyncIterator]().next();
  proxy.cut("rst");
  await untilFound(
    () => states.find(({ kind }) => kind === "reconnecting"),
    () => states,
  );
  controller.abort();
  await expect(next).rejects.toMatchObject({ name: "AbortError" });
});

test("a hundred processes can share one signal", async () => {
  const client = connectTo(agent.url);
  const controller = new AbortController();
  const processes = await Promise.all(
    Array.from({ length: 20 }, () => client.start(sleeper, { signal: controller.signal })),
  );
  controller.abort();
  const exits = await Promise.allSettled(processes.map(({ exit }) => exit));
  expect(exits.map(({ status }) => status)).toEqual(processes.map(() => "rejected"));
  // test/project/fail-on-warnings.ts fails the file when Node warns of a listener leak.
});

test("close leaves every process running and fails pending calls", async () => {
  const client = connectTo(agent.url);
  const process = await client.start(sleeper);
  const blocked = await client.start({ ...sleeper, stdin: true });
  const next = process[Symbol.asyncIterator]().next();
  const write = blocked.write(new Uint8Array(2 ** 20));
  client.close();
  await expect(next).resolves.toMatchObject({ done: true });
  await expect(write).rejects.toBeInstanceOf(DetachedError);
  await expect(process.exit).rejects.toBeInstanceOf(ClientError);
  await expect(client.list()).rejects.toBeInstanceOf(DetachedError);
  await expect(client.start(sleeper)).rejects.toBeInstanceOf(DetachedError);
  await unattended(process);
});

test("an event that arrives during detach does not count as read", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({
    cmd: "bash",
    args: ["-c", "echo hello; read x; exit 0"],
    stdin: true,
  });
  const next = process[Symbol.asyncIterator]().next();
  process.detach();
  await expect(next).resolves.toMatchObject({ done: true });
  expect(process.offset).toBe(0);
  const again = await connectTo(agent.url).attach(process.processId, { fromOffset: process.offset });
  await expect(again[Symbol.asyncIterator]().next()).resolves.toMatchObject({
    value: { kind: "stdout", offset: 0 },
  });
});

/** A process of an agent that answers only its start. */
async function startUnanswered(events: readonly StreamEvent[]) {
  const url = await serveScript({
    async *start(_request, { signal }) {
      for (const event of events) yield { event: { event } };
      if (events.at(-1)?.case !== "end") yield* forEver({}, { signal });
    },
    sendInput: noAnswer,
    closeStdin: noAnswer,
    update: noAnswer,
    sendSignal: noAnswer,
  });
  const client = connectTo(url);
  const controller = new AbortController();
  const process = await client.start({ cmd: "x" }, { signal: controller.signal });
  return { process, client, controller };
}

function noAnswer(): Promise<never> {
  return new Promise(() => {
    // Never settles.
  });
}

async function* forEver(_request: unknown, { signal }: { readonly signal: AbortSignal }) {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

function callOptions(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal };
}

/** Resolves when the process runs with no stream attached. */
async function unattended({ processId }: RemoteProcess): Promise<void> {
  const client = connectTo(agent.url);
  const look = async () => (await client.list()).find((info) => info.processId === processId);
  await untilFound(async () => ((await look())?.subscribers === 0 ? true : undefined), look);
}
