// reconnectNow: after a sleep or a change of the network, a client does not wait for anything.

import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Clock, ConnectionState } from "../../src/client/index.ts";
import { realClock } from "../../src/clock.ts";
import { deferred } from "../../src/deferred.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { untilFound } from "../support/until-found.ts";
import { agentForFile } from "./file-agent.ts";
import { serveScript } from "./scripted-agent.ts";
import { connectTo, httpVersions } from "./test-client.ts";

const agent = agentForFile();
/** No wait and no silence would end within a test. */
const WAIT_MS = 599_400;
const patient = { initialDelayMs: 600_000, maxDelayMs: 600_000, keepaliveSeconds: 600, random: () => 0.999 };

test.each(httpVersions)(
  "a stream over a connection that went silent continues at once over HTTP/%s",
  async (httpVersion) => {
    const proxy = await startCuttingProxy({ port: agent.port });
    const client = connectTo(proxy.url, { httpVersion, reconnect: patient });
    const states: ConnectionState[] = [];
    const process = await client.start(
      { cmd: "bash", args: ["-c", "echo one; read x; echo two"], stdin: true },
      { onState: (state) => states.push(state) },
    );
    const iterator = process[Symbol.asyncIterator]();
    await iterator.next();
    const next = iterator.next();
    expect(proxy.cut("silent")).toBeGreaterThan(0);
    const written = process.write("\n");
    client.reconnectNow();
    await written;
    await expect(next).resolves.toMatchObject({ value: { kind: "stdout", offset: 4 } });
    expect(states).toMatchObject([
      { kind: "connected", offset: 0 },
      { kind: "reconnecting", attempt: 1, delayMs: 0 },
      { kind: "connected", offset: 4 },
    ]);
  },
);

test("a client that waits before its next try begins it at once, and calls that wait also", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  let waits = 0;
  const clock: Clock = {
    nowMs: () => realClock.nowMs(),
    startTimer: (delayMs, onTime) => {
      if (Math.round(delayMs) === WAIT_MS) waits++;
      return realClock.startTimer(delayMs, onTime);
    },
  };
  const client = connectTo(proxy.url, { reconnect: { ...patient, callRetryMs: 10_000_000, clock } });
  const states: ConnectionState[] = [];
  const process = await client.start(
    { cmd: "bash", args: ["-c", "echo one; read x; echo two"], stdin: true },
    { onState: (state) => states.push(state) },
  );
  const iterator = process[Symbol.asyncIterator]();
  await iterator.next();
  const next = iterator.next();
  proxy.refusing = true;
  proxy.cut("rst");
  const listed = client.list({ includeEnded: true });
  const written = process.write("\n");
  await untilFound(
    () => (waits === 3 ? true : undefined),
    () => ({ waits, states }),
  );
  proxy.refusing = false;
  client.reconnectNow();
  await written;
  await expect(next).resolves.toMatchObject({ value: { kind: "stdout", offset: 4 } });
  expect(await listed).toContainEqual(expect.objectContaining({ processId: process.processId }));
});

test("a call that must not be repeated keeps its connection", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const client = connectTo(proxy.url, { reconnect: patient });
  const process = await client.start({ cmd: "sleep", args: ["1000"] });
  const signalled = process.signal("SIGTERM");
  client.reconnectNow();
  await signalled;
  expect(await process.discardOutput()).toMatchObject({ signal: "SIGTERM" });
});

test.each(httpVersions)(
  "such a call is not lost when other calls connect again over HTTP/%s",
  async (httpVersion) => {
    const arrived = deferred<void>();
    const mayAnswer = deferred<void>();
    const url = await serveScript(
      {
        sendSignal: async () => {
          arrived.resolve();
          await mayAnswer.promise;
          return {};
        },
        list: () => ({}),
      },
      httpVersion,
    );
    const client = connectTo(url, { httpVersion, reconnect: patient });
    const signalled = client.signal({ pid: 1 }, "SIGTERM");
    await arrived.promise;
    client.reconnectNow();
    await client.list();
    mayAnswer.resolve();
    await signalled;
  },
);

test.each(httpVersions)(
  "a directory is copied over its old connections, because they cannot be continued, over HTTP/%s",
  async (httpVersion) => {
    const client = connectTo(agent.url, { httpVersion, reconnect: patient });
    const from = createTempFolder();
    const content = Buffer.alloc(4_000_000, "abc");
    writeFileSync(`${from}/file`, content);
    let pieces = 0;
    async function* interrupted(archive: AsyncIterable<Uint8Array>) {
      for await (const piece of archive) {
        if (pieces++ % 20 === 0) {
          client.reconnectNow();
          await client.list();
        }
        yield piece;
      }
    }
    const to = createTempFolder();
    await client.files.uploadDirectory(to, interrupted(await client.files.downloadDirectory(from)));
    expect(readFileSync(`${to}/file`).equals(content)).toBe(true);
    expect(pieces).toBeGreaterThan(1);
  },
);

test("onSize has the size of the terminal, and each change by any client", async () => {
  const client = connectTo(agent.url);
  const sizes: object[] = [];
  const shell = await client.start(
    { cmd: "bash", args: ["-c", "read x; stty size; read x"], pty: { cols: 80, rows: 24 } },
    { onSize: (size) => sizes.push(size) },
  );
  const seen: object[] = [];
  const watcher = await client.attach(shell.processId, {
    fromOffset: 0,
    lag: "skip",
    onSize: (size) => seen.push(size),
  });
  const ends = [shell.discardOutput(), watcher.discardOutput()];
  await untilFound(
    () => (sizes.length > 0 && seen.length > 0 ? true : undefined),
    () => ({ sizes, seen }),
  );
  await connectTo(agent.url)
    .attach(shell.processId)
    .then(async (other) => {
      await other.resize({ cols: 40, rows: 10 });
      other.detach();
    });
  await untilFound(
    () => (sizes.length > 1 && seen.length > 1 ? true : undefined),
    () => ({ sizes, seen }),
  );
  for (const list of [sizes, seen])
    expect(list).toEqual([
      { cols: 80, rows: 24 },
      { cols: 40, rows: 10 },
    ]);
  await shell.write("\n\n");
  await Promise.all(ends);
});

test("changes lists all processes first, then only those that changed, and describes the agent", async () => {
  const client = connectTo(agent.url);
  const process = await client.start({ cmd: "cat", stdin: true });
  const first = await client.changes({ agent: true });
  expect(first).toMatchObject({ isComplete: true, removed: [], agent: { budgetSpent: false } });
  expect(first.processes).toContainEqual(expect.objectContaining({ processId: process.processId }));
  await process.closeStdin();
  await process.discardOutput();
  const second = await client.changes({ since: first.revision });
  expect(second).toMatchObject({ isComplete: false, removed: [process.processId] });
  expect(second.processes.map(({ processId }) => processId)).not.toContain(process.processId);
});
