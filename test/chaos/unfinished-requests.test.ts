// Thousands of requests that never arrive completely, or whose answers are not read (rule 14): the agent refuses further ones
// and stays within its bound of memory. Streams that are attached continue, and signals work (rule 15).

import { connect as connectHttp2 } from "node:http2";
import { expect, onTestFinished, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { openConnection, type RawConnection, requestBytes } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";
import { callOverEvery, encodeBody, overEvery } from "../support/clients/rpc-call.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { inParallel } from "../support/in-parallel.ts";
import { eventually } from "../support/proc/proc.ts";
import { peakRssBytes } from "../support/proc/proc-activity.ts";

// Generous: thousands of connections, and the machine can be busy.
vi.setConfig({ testTimeout: 120_000 });

const MIB = 1024 * 1024;
const BOUND_BYTES = 64 * MIB + 100_000_000;
/** More than a budget of 64 MiB has room for. */
const COUNT = 4_000;
const descriptors = ["prlimit", "--nofile=20000"];

/** The head of a request, and the beginning of its body; the rest does not follow. */
function unfinished(rpc: string, padding = 0, bodyBytes = 1): Buffer {
  const headers = {
    "content-type": "application/json",
    "content-length": String(bodyBytes + 1000),
    ...(padding > 0 && { "x-padding": "p".repeat(padding) }),
  };
  const body = Buffer.from(`{${" ".repeat(bodyBytes - 1)}`);
  return Buffer.concat([requestBytes({ path: `/process.Process/${rpc}`, headers }), body]);
}

async function openUnfinished(port: number, count: number, head: Buffer): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  onTestFinished(() => {
    for (const connection of connections) connection.cut();
  });
  await inParallel(count, 50, async () => {
    const connection = await openConnection(port);
    connections.push(connection);
    connection.send(head);
  });
  return connections;
}

function statusOf(connection: RawConnection): string | undefined {
  return /^HTTP\/1\.1 (\d+)/.exec(connection.received().toString("latin1"))?.[1];
}

/** A client whose stream must continue. */
async function startLive(agent: RunningAgent) {
  const live = startStream(agent.port, { process: { cmd: "cat" }, tag: "live" });
  await live.started();
  let bytes = 0;
  return {
    expectFlow: async () => {
      await plainClient(agent.url).sendInput({
        process: { selector: { case: "tag", value: "live" } },
        input: { input: { case: "stdin", value: Buffer.from("x") } },
      });
      await live.received(++bytes);
    },
  };
}

const noPlace = /no memory for another request beside \d+ open ones .*--memory-budget/;

test.each([
  ["short headers", unfinished("List"), noPlace],
  ["headers of 15 KB", unfinished("List", 15_000), noPlace],
  // The first ones leave room for other requests, but not for their bodies.
  [
    "bodies of 100 KB",
    unfinished("SendInput", 0, 100_000),
    /memory budget spent \(\d+ bytes; --memory-budget\)/,
  ],
])(
  "4,000 unfinished requests with %s over HTTP/1.1 are bounded, and those beyond are refused with Retry-After",
  async (_, head, message) => {
    const agent = await startAgent({ prefix: descriptors });
    onTestFinished(() => killAll(agent.url));
    const live = await startLive(agent);
    const connections = await openUnfinished(agent.port, COUNT, head);
    const answers = () => connections.map((connection) => connection.received().toString("latin1"));
    await eventually(
      "a refusal",
      () => answers().some((answer) => message.test(answer)),
      () => connections.filter((connection) => statusOf(connection) === undefined).length,
    );
    const answer = answers().find((text) => message.test(text)) ?? "";
    expect(answer).toMatch(/^HTTP\/1.1 429 /);
    expect(answer).toMatch(/^retry-after: 1\r$/im);
    expect(answer).toMatch(/"code":"resource_exhausted"/);
    expect(peakRssBytes(agent.pid)).toBeLessThan(BOUND_BYTES);

    for (const connection of connections) connection.cut();
    await live.expectFlow();
    await expectCommandRuns(agent.port);
  },
);

test("4,000 unfinished requests over HTTP/2 are bounded, and a stream on another connection continues", async () => {
  const agent = await startAgent({ prefix: descriptors });
  onTestFinished(() => killAll(agent.url));
  const live = await startLive(agent);
  const session = connectHttp2(agent.url, { maxSessionMemory: 200 });
  onTestFinished(() => session.destroy());
  session.on("error", () => undefined);
  let refusals = 0;
  for (let i = 0; i < COUNT; i++) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/process.Process/List",
      "content-type": "application/json",
    });
    stream
      .on("error", () => undefined)
      .on("response", (headers) => {
        if (headers[":status"] === 429 && headers["retry-after"] === "1") refusals++;
      });
    stream.write("{");
  }
  await eventually(
    "refusals",
    () => refusals > 0,
    () => refusals,
    60_000,
  );
  expect(peakRssBytes(agent.pid)).toBeLessThan(BOUND_BYTES);
  session.destroy();
  await live.expectFlow();
  await expectCommandRuns(agent.port);
});

test("while unfinished requests hold the whole budget, signals, resizes and the end of stdin work over every protocol", async () => {
  const agent = await startAgent({ args: ["--memory-budget", "4MiB"], prefix: descriptors });
  onTestFinished(() => killAll(agent.url));
  const client = plainClient(agent.url);
  const shell = receive(
    client.start({
      process: { cmd: "sleep", args: ["600"] },
      pty: { size: { cols: 80, rows: 24 } },
      tag: "shell",
    }),
  );
  await shell.started();
  const cat = receive(client.start({ process: { cmd: "cat" }, tag: "cat" }));
  await cat.started();
  const attackers = await openUnfinished(agent.port, 600, unfinished("SendInput"));
  // They must not take the places of signals either.
  attackers.push(...(await openUnfinished(agent.port, 200, unfinished("SendSignal"))));
  await eventually(
    "refusals of both",
    () =>
      attackers.slice(0, 600).some((connection) => statusOf(connection) === "429") &&
      attackers.slice(600).some((connection) => statusOf(connection) === "429"),
    () => attackers.map(statusOf),
  );
  const ask = (rpc: string, message: object) => {
    const messages = [JSON.parse(JSON.stringify(message))];
    return callOverEvery(agent.port, (protocol) => ({ rpc, body: encodeBody(protocol, rpc, messages) }));
  };
  const allOk = overEvery({ code: "ok", message: "" });
  const process = { tag: "shell" };
  expect(await ask("SendSignal", { process, signal: "SIGNAL_SIGCONT" })).toEqual(allOk);
  expect(await ask("Update", { process, pty: { size: { cols: 99, rows: 33 } } })).toEqual(allOk);
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  await client.closeStdin({ process: { selector: { case: "tag", value: "cat" } } });
  expect(await cat.ended()).toMatchObject({ exitCode: 0 });
  await client.sendSignal({ process: { selector: { case: "tag", value: "shell" } }, signal: 9 });
  expect(await shell.ended()).toMatchObject({ status: "signal: killed" });
});

test("an unfinished signal that was refused is not executed when its rest arrives", async () => {
  const agent = await startAgent({ args: ["--memory-budget", "4MiB"], prefix: descriptors });
  onTestFinished(() => killAll(agent.url));
  const live = await startLive(agent);
  await openUnfinished(agent.port, 600, unfinished("List"));
  const body = JSON.stringify({ process: { tag: "live" }, signal: "SIGNAL_SIGKILL" });
  const whole = requestBytes({
    path: "/process.Process/SendSignal",
    headers: { "content-type": "application/json" },
    body,
  });
  const first = await openConnection(agent.port);
  onTestFinished(() => first.cut());
  first.send(whole.subarray(0, -1));
  await openUnfinished(agent.port, 200, unfinished("SendSignal"));
  expect((await first.response()).status).toBe(429);
  first.send(whole.subarray(-1));
  await first.closed();
  const { processes } = await plainClient(agent.url)
    .list({ includeEnded: true })
    .catch(() => ({ processes: [] }));
  expect(processes.every(({ end }) => end === undefined)).toBe(true);
  void live;
});

test("requests without end behind a stream on one connection are bounded: the connection is closed", async () => {
  const agent = await startAgent();
  onTestFinished(() => killAll(agent.url));
  const live = await startLive(agent);
  const body = encodeBody("Connect JSON", "Connect", [{ process: { tag: "live" } }]);
  const connection = await openConnection(agent.port);
  onTestFinished(() => connection.cut());
  connection.send(
    requestBytes({
      path: "/process.Process/Connect",
      headers: { "content-type": "application/connect+json" },
      body,
    }),
  );
  await connection.until("the stream", (received) => received.includes('"start"') || undefined);
  const many = Buffer.from("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000));
  for (let i = 0; i < 20; i++) connection.send(many);
  await connection.closed();
  await live.expectFlow();
  expect(peakRssBytes(agent.pid)).toBeLessThan(BOUND_BYTES);
});
