// Connections while the agent stops: no client meets a refused or reset connection. HTTP/1.1 gets
// `Connection: close`, HTTP/2 gets GOAWAY, and new streams are `unavailable` with Retry-After.

import { connect as connectHttp2 } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { startProcess } from "../cli/started-process.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { openConnection, type RawConnection, rawCall, requestBytes } from "../support/clients/raw-http.ts";
import { callOverEvery, encodeBody, overEvery } from "../support/clients/rpc-call.ts";

interface StoppingAgent {
  readonly agent: RunningAgent;
  /** Opened before the stop, one request answered. */
  readonly idle: RawConnection;
  /** Lets the last process end, and with it the agent. */
  finish(): Promise<void>;
}

const HEALTH = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** An agent that has received SIGTERM and waits for a process that ends when the test says so. */
async function stoppingAgent(before: (agent: RunningAgent) => Promise<void> = async () => undefined) {
  const agent = await startAgent({ args: ["--shutdown-grace", "1h"] });
  const process = await startProcess(
    agent.url,
    'trap "echo stopping" TERM; echo ready; until read -u 9 line; do (( $? > 128 )) || exit; done',
  );
  const idle = await openConnection(agent.port);
  onTestFinished(() => idle.cut());
  idle.send(HEALTH);
  await idle.response();
  await before(agent);
  agent.kill("SIGTERM");
  await process.output(/stopping/);
  const finish = async () => {
    process.tell("line\n");
    await process.end();
  };
  return { agent, idle, finish } satisfies StoppingAgent;
}

test("an idle HTTP/1.1 connection stays open, and its next answer carries Connection: close", async () => {
  const { agent, idle, finish } = await stoppingAgent();
  expect(idle.socket.closed).toBe(false);
  const before = idle.received().length;
  idle.send(HEALTH);
  const head = await idle.until("the next answer", (received) => {
    const answer = received.subarray(before).toString();
    return answer.endsWith("\r\n\r\n") ? answer : undefined;
  });
  expect(head).toMatch(/^HTTP\/1\.1 204 .*\r\nConnection: close\r\n/s);
  await idle.closed();
  await finish();
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});

test("new connections are answered until the end: unary calls as before, new streams unavailable with Retry-After", async () => {
  const { agent, finish } = await stoppingAgent();
  const list = await rawCall(agent.port, {
    path: "/process.Process/List",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect([list.status, list.headers.get("connection")]).toEqual([200, "close"]);
  for (const rpc of ["Start", "Connect"]) {
    const answers = await callOverEvery(agent.port, (protocol) => ({
      rpc,
      body: encodeBody(protocol, rpc, [{ process: rpc === "Start" ? { cmd: "true" } : { pid: 1 } }]),
    }));
    expect(answers).toEqual(
      overEvery({ code: "unavailable", message: "the agent is shutting down; try again" }),
    );
  }
  const body = envelope(JSON.stringify({ process: { cmd: "true" } }));
  const headers = { "content-type": "application/connect+json" };
  const start = await rawCall(agent.port, { path: "/process.Process/Start", headers, body });
  expect(start.headers.get("retry-after")).toBe("1");
  await finish();
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});

test("an HTTP/2 connection gets GOAWAY at once, its open streams continue, and a new connection is answered once", async () => {
  let goaway: Promise<number> | undefined;
  let stream: ReturnType<ReturnType<typeof connectHttp2>["request"]> | undefined;
  const { agent, finish } = await stoppingAgent(async ({ url }) => {
    const session = connectHttp2(url);
    onTestFinished(() => session.destroy());
    goaway = new Promise((resolve) => session.once("goaway", resolve));
    stream = session.request({
      ":method": "POST",
      ":path": "/process.Process/Start",
      "content-type": "application/connect+json",
    });
    const script = 'trap "" TERM; echo ready; read line; echo got $line';
    const config = { process: { cmd: "bash", args: ["-c", script] }, tag: "h2" };
    stream.end(envelope(JSON.stringify(config)));
    await new Promise((resolve) => stream?.once("data", resolve));
  });
  expect(await goaway).toBe(0);
  let received = "";
  stream?.on("data", (bytes: Buffer) => {
    received += bytes.toString("latin1");
  });
  const input = JSON.stringify({ process: { tag: "h2" }, input: { stdin: btoa("x\n") } });
  const json = { "content-type": "application/json" };
  expect(
    await rawCall(agent.port, { path: "/process.Process/SendInput", headers: json, body: input }),
  ).toMatchObject({ status: 200 });
  await new Promise((resolve) => stream?.once("end", resolve));
  expect(received).toContain(btoa("got x\n"));

  const late = connectHttp2(agent.url);
  onTestFinished(() => late.destroy());
  const lateGoaway = new Promise<number>((resolve) => late.once("goaway", resolve));
  const request = late.request({ ":path": "/health" });
  const status = await new Promise((resolve) =>
    request.once("response", (headers) => resolve(headers[":status"])),
  );
  expect([status, await lateGoaway]).toEqual([204, 0]);
  await finish();
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});

test("an answer to a request that is pipelined behind the last one is not cut short by a reset", async () => {
  const { idle, finish } = await stoppingAgent();
  const errors: Error[] = [];
  idle.socket.on("error", (error) => errors.push(error));
  const list = requestBytes({
    path: "/process.Process/List",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  idle.send(Buffer.concat([list, list, list]));
  await idle.closed();
  expect(errors).toEqual([]);
  // One answer, which says that it is the last.
  expect(
    idle
      .received()
      .toString()
      .match(/HTTP\/1\.1 200/g),
  ).toHaveLength(1);
  await finish();
});
