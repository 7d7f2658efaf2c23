// What clients see right after a pause of the agent: no avalanche of work, every request that came meanwhile is answered,
// repeated calls are applied once, and clients whose network vanished meanwhile do not hold up others.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { type PausableAgent, startFreezable, startStoppable } from "../support/agent/pausable-agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { openConnection, requestBytes } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";
import { encodeBody } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { connectStream, startStream } from "../support/clients/stream-client.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { LINE_BYTES, NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { eventually, fdCount } from "../support/proc/proc.ts";
import { isBlockedInWrite } from "../support/proc/proc-activity.ts";

const PAUSE_MS = 4_000;
/** Longer than it takes a busy machine to send a request, and shorter than the pause. */
const LIMIT = "8s";
const LONG_PAUSE_MS = 10_000;

async function startFrozenOrStopped(args: readonly string[]): Promise<PausableAgent> {
  const pausable = (await startFreezable(args)) ?? (await startStoppable(args));
  onTestFinished(() => killAll(pausable.agent.url));
  return pausable;
}

const selector = (tag: string) => ({ selector: { case: "tag", value: tag } }) as const;

test("after a pause of many keepalives, each stream gets one, and a health check is answered at once", {
  timeout: 60_000,
}, async () => {
  const { agent, pause } = await startFrozenOrStopped(["--keepalive", "1s"]);
  const streams = Array.from({ length: 20 }, () =>
    receive(
      plainClient(agent.url).start(
        { process: { cmd: "sleep", args: ["600"] } },
        { headers: { "Keepalive-Ping-Interval": "1" } },
      ),
    ),
  );
  await Promise.all(streams.map((stream) => stream.started()));
  const before = streams.map((stream) => stream.keepalives());
  await pause(PAUSE_MS);
  const startedAtMs = performance.now();
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  expect(performance.now() - startedAtMs).toBeLessThan(500);
  // The next keepalive of each: by then, all that were due in the pause would have arrived.
  await Promise.all(
    streams.map((stream, index) => stream.until(() => stream.keepalives() > (before[index] ?? 0))),
  );
  const received = streams.map((stream, index) => stream.keepalives() - (before[index] ?? 0));
  const elapsedSeconds = Math.ceil((performance.now() - startedAtMs) / 1000);
  // One that was due before the pause, and one for each second since.
  expect(Math.max(...received)).toBeLessThanOrEqual(1 + elapsedSeconds);
});

test("200 requests that arrive in a pause are all answered after it, and an upload that was half sent continues", {
  timeout: 60_000,
}, async () => {
  const { agent, freeze, thaw, pause } = await startFrozenOrStopped([
    ...["--header-timeout", LIMIT, "--request-timeout", LIMIT],
  ]);
  const cat = startStream(agent.port, { process: { cmd: "cat" }, tag: "cat" });
  await cat.started();
  const input = (text: string) => ({ data: { input: { stdin: btoa(text) } } });
  const body = encodeBody("Connect JSON", "StreamInput", [
    { start: { process: { tag: "cat" } } },
    input("first"),
    input("second"),
  ]);
  const upload = await openConnection(agent.port);
  onTestFinished(() => upload.cut());
  const request = requestBytes({
    path: "/process.Process/StreamInput",
    headers: { "content-type": "application/connect+json" },
    body,
  });
  upload.send(request.subarray(0, request.length - 3));
  await cat.received("first".length);
  const listBytes = requestBytes({
    path: "/process.Process/List",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  // Half of a request before the pause, and the rest after it.
  const halves = await openConnection(agent.port);
  onTestFinished(() => halves.cut());
  halves.send(listBytes.subarray(0, 60));
  await plainClient(agent.url).list({});

  freeze();
  const connections = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const connection = await openConnection(agent.port);
      connection.send(listBytes);
      return connection;
    }),
  );
  onTestFinished(() => {
    for (const connection of connections) connection.cut();
  });
  await pause(LONG_PAUSE_MS);
  thaw();
  const statuses = await Promise.all(connections.map(async (one) => (await one.response()).status));
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  halves.send(listBytes.subarray(60));
  expect((await halves.response()).status).toBe(200);
  upload.send(request.subarray(request.length - 3));
  await cat.received("firstsecond".length);
  expect((await upload.response()).status).toBe(200);
});

test("a SendInput and a Start whose answers were lost in a pause are applied once when they are repeated", {
  timeout: 60_000,
}, async () => {
  const { agent, freeze, thaw } = await startFrozenOrStopped([]);
  const cat = startStream(agent.port, { process: { cmd: "cat" }, tag: "cat" });
  await cat.started();
  const inputBytes = requestBytes({
    path: "/process.Process/SendInput",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ process: { tag: "cat" }, input: { stdin: btoa("once") }, offset: "0" }),
  });
  const startBytes = requestBytes({
    path: "/process.Process/Start",
    headers: { "content-type": "application/connect+json" },
    body: encodeBody("Connect JSON", "Start", [
      { process: { cmd: "sleep", args: ["600"] }, tag: "sleep", startId: "one" },
    ]),
  });
  freeze();
  for (const bytes of [inputBytes, startBytes]) {
    const connection = await openConnection(agent.port);
    connection.send(bytes);
    // The bytes are in the agent's socket; its answer will find no connection.
    connection.socket.end();
    connection.cut();
  }
  thaw();
  const again = await openConnection(agent.port);
  onTestFinished(() => again.cut());
  again.send(inputBytes);
  expect(String((await again.response()).body)).toBe('{"offset":"4"}');
  const repeated = await startAndLeave(agent.port, {
    process: { cmd: "sleep", args: ["600"] },
    tag: "sleep",
    startId: "one",
  });
  expect(repeated).toMatchObject({ code: "ok" });
  await plainClient(agent.url).sendInput({
    process: selector("cat"),
    input: { input: { case: "stdin", value: Buffer.from("!") } },
  });
  await cat.received("once!".length);
  expect(cat.bytes).toBe("once!".length);
  const { processes } = await plainClient(agent.url).list({ includeEnded: true });
  expect(processes.filter(({ tag }) => tag === "sleep")).toHaveLength(1);
});

/** A network of its own that a test can delete, or undefined without the right to create one. */
function createNetwork(): { readonly name: string; readonly address: string; remove(): void } | undefined {
  const name = `hf${process.pid}`;
  const third = process.pid % 250;
  const run = (...args: string[]) => spawnSync("ip", args).status === 0;
  const remove = () => {
    run("netns", "del", name);
    run("link", "del", `${name}a`);
  };
  const isCreated =
    run("netns", "add", name) &&
    run("link", "add", `${name}a`, "type", "veth", "peer", "name", `${name}b`, "netns", name) &&
    run("addr", "add", `10.213.${third}.1/24`, "dev", `${name}a`) &&
    run("link", "set", `${name}a`, "up") &&
    run("-n", name, "addr", "add", `10.213.${third}.2/24`, "dev", `${name}b`) &&
    run("-n", name, "link", "set", `${name}b`, "up");
  if (isCreated) return { name, address: `10.213.${third}.1`, remove };
  remove();
  return undefined;
}

const ghostProgram = fileURLToPath(new URL("../fixtures/ghost-clients.mjs", import.meta.url));

test("ten clients whose network is deleted in a pause hold up no other client after it, and are gone within a minute", {
  timeout: 180_000,
}, async () => {
  const network = createNetwork();
  if (network === undefined) return console.warn("SKIPPED: no right to create a network namespace");
  onTestFinished(network.remove);
  const { agent, freeze, thaw } = await startFrozenOrStopped([
    ...["--host", "0.0.0.0", "--allow-unauthenticated", "--allow-host", network.address],
    // The kernel takes megabytes for clients that read nothing; the live client gets these from the replay.
    ...["--replay", "64MiB", "--memory-budget", "256MiB"],
  ]);
  const fifo = createFifo();
  const LINES = 3_000_000;
  const script = `echo ready >&2; ${fifo.wait}; exec ${numbersCommand(LINES)}`;
  const first = startStream(agent.port, {
    process: { cmd: "bash", args: ["-c", script] },
    stdin: false,
    tag: "numbers",
  });
  const pid = await first.started();
  await first.received("ready\n".length);
  const descriptors = fdCount(agent.pid);
  const ghosts = spawn(
    "ip",
    [
      "netns",
      "exec",
      network.name,
      process.execPath,
      ghostProgram,
      network.address,
      String(agent.port),
      String(pid),
      "10",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(() => void ghosts.kill("SIGKILL"));
  await once(ghosts.stdout, "data");
  first.cut("close");
  fifo.open();
  const retries = () => unansweredRetries(agent.port);
  let subscribers: number | undefined;
  await eventually(
    "the windows of the ghosts are full",
    async () => {
      // The subscribers are only in answers to clients that know additions.
      const { processes } = await plainClient(agent.url).list({ omitConfig: true });
      subscribers = processes.find((info) => info.pid === pid)?.subscribers;
      return subscribers === 10 && isBlockedInWrite(pid);
    },
    () => ({ subscribers, isBlocked: isBlockedInWrite(pid) }),
    60_000,
  );

  freeze();
  network.remove();
  ghosts.kill("SIGKILL");
  await eventually(
    "the kernel has retried as often as the agent waits for",
    () => retries() >= 6,
    // State, bytes not sent or not acknowledged, timer, retries and probes of each connection.
    () => connectionFields(agent.port).map((fields) => fields.slice(3, 9).join(" ")),
    90_000,
  );
  thaw();
  const thawedAtMs = performance.now();
  const numbers = new NumbersCheck(0);
  let firstByteMs = Number.POSITIVE_INFINITY;
  const live = connectStream(
    agent.port,
    pid,
    {
      onData: (data, name) => {
        firstByteMs = Math.min(firstByteMs, performance.now() - thawedAtMs);
        if (name === "stdout") numbers.push(data);
      },
    },
    { fromOffset: BigInt("ready\n".length) },
  );
  expect((await live.ended()).end).toMatchObject({ exitCode: 0 });
  const allMs = performance.now() - thawedAtMs;
  expect(numbers.end).toBe(LINES * LINE_BYTES);
  expect(firstByteMs).toBeLessThan(1_000);
  // Instead of the ten seconds of --stall-timeout.
  expect(allMs).toBeLessThan(8_000);
  await eventually(
    "the ghosts are gone",
    () => fdCount(agent.pid) <= descriptors,
    () => ({ now: fdCount(agent.pid), before: descriptors }),
    60_000,
  );
});

/**
 * The most retries and probes of the kernel on a connection of `port` that are not answered. The kernel
 * repeats bytes that are on their way; while the client's window is full, it sends probes instead.
 */
function unansweredRetries(port: number): number {
  const counts = connectionFields(port).flatMap((fields) => [
    Number.parseInt(fields[6] ?? "0", 16),
    Number(fields[8] ?? "0"),
  ]);
  return Math.max(0, ...counts);
}

/** The lines of /proc/net/tcp and tcp6 for the agent's side of the connections to `port`, in fields. */
function connectionFields(port: number): readonly string[][] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = ["tcp", "tcp6"].flatMap((name) => readFileSync(`/proc/net/${name}`, "latin1").split("\n"));
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = ""]) => local.endsWith(`:${hexPort}`));
}
