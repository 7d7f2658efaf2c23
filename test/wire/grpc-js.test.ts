// The unmodified @grpc/grpc-js client, its service loaded from proto/process.proto.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killAll } from "../support/agent/running-processes.ts";
import { type GrpcClient, openGrpcClient } from "../support/clients/grpc-client.ts";
import { type Received, receive } from "../support/clients/received-events.ts";

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent();
});
afterAll(() => agent.stop());
afterEach(() => killAll(agent.url));

const byPid = (pid: number) => ({ pid });
const sh = (script: string) => ({ process: { cmd: "sh", args: ["-c", script] } });

async function startCat(client: GrpcClient): Promise<{ pid: number; received: Received }> {
  const received = receive(client.stream("start", { process: { cmd: "cat" } }));
  return { pid: await received.started(), received };
}

test("Start streams output, an end event with Go's words, and status OK", async () => {
  const received = receive(
    openGrpcClient(agent.port).stream("start", sh("printf out; printf err >&2; exit 7")),
  );
  expect(await received.ended()).toMatchObject({
    exitCode: 7,
    exited: true,
    status: "exit status 7",
    error: "exit status 7",
  });
  expect(received.kinds).toEqual(["start", "data", "end"]);
  expect([received.text("stdout"), received.text("stderr")]).toEqual(["out", "err"]);
});

test("List, Connect, SendInput, SendSignal and CloseStdin work on a process another client started", async () => {
  const [client, other] = [openGrpcClient(agent.port), openGrpcClient(agent.port)];
  const config = { cmd: "cat", args: ["-"], envs: { NAME: "value" }, cwd: "/tmp" };
  const received = receive(client.stream("start", { process: config, tag: "mine" }));
  const pid = await received.started();
  expect(await other.list()).toMatchObject([{ pid, tag: "mine", config }]);

  const second = receive(other.stream("connect", { process: { tag: "mine" } }));
  expect(await second.started()).toBe(pid);
  await other.unary("sendInput", { process: byPid(pid), input: { stdin: Buffer.from("hello") } });
  await received.until(() => received.text("stdout") === "hello");
  await second.until(() => second.text("stdout") === "hello");
  await other.unary("closeStdin", { process: byPid(pid) });
  expect([(await received.ended()).exitCode, (await second.ended()).exitCode]).toEqual([0, 0]);

  const { pid: doomed, received: killed } = await startCat(client);
  await other.unary("sendSignal", { process: byPid(doomed), signal: "SIGNAL_SIGKILL" });
  expect(await killed.ended()).toMatchObject({ exitCode: -1, exited: false, status: "signal: killed" });
});

test("Update resizes a terminal", async () => {
  const client = openGrpcClient(agent.port);
  const received = receive(
    client.stream("start", {
      ...sh("stty size; read line; stty size"),
      pty: { size: { cols: 100, rows: 30 } },
    }),
  );
  const pid = await received.started();
  await received.until(() => received.text("pty") === "30 100\r\n");
  await client.unary("update", { process: byPid(pid), pty: { size: { cols: 65_535, rows: 1 } } });
  await client.unary("sendInput", { process: byPid(pid), input: { pty: Buffer.from("\n") } });
  expect(await received.ended()).toMatchObject({ exitCode: 0 });
  expect(received.text("pty")).toBe("30 100\r\n\r\n1 65535\r\n");
});

test("20 MB of streamed input arrive complete and in order", async () => {
  const client = openGrpcClient(agent.port);
  const received = receive(client.stream("start", { process: { cmd: "sha256sum" } }));
  const pid = await received.started();
  const sum = createHash("sha256");
  const { call, answer } = client.streamInput();
  call.write({ start: { process: byPid(pid) } });
  for (let piece = 0; piece < 200; piece++) {
    const stdin = Buffer.alloc(100_000, `${piece} `);
    sum.update(stdin);
    if (!call.write({ data: { input: { stdin } } })) await once(call, "drain");
    if (piece % 50 === 0) call.write({ keepalive: {} });
  }
  call.end();
  await answer;
  await client.unary("closeStdin", { process: byPid(pid) });
  await received.ended();
  expect(received.text("stdout")).toBe(`${sum.digest("hex")}  -\n`);
});

test("a message of 12 MB is accepted, and one of 17 MB is refused without harm to the process", async () => {
  const client = openGrpcClient(agent.port);
  const received = receive(client.stream("start", { process: { cmd: "sha256sum" } }));
  const process = byPid(await received.started());
  const stdin = Buffer.alloc(12_000_000, "0123456789");
  await client.unary("sendInput", { process, input: { stdin } });
  await expect(
    client.unary("sendInput", { process, input: { stdin: Buffer.alloc(17_000_000) } }),
  ).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: expect.stringContaining("17000") });
  await client.unary("closeStdin", { process });
  await received.ended();
  expect(received.text("stdout")).toBe(`${createHash("sha256").update(stdin).digest("hex")}  -\n`);
});

test("gzip-compressed requests are accepted", async () => {
  const client = openGrpcClient(agent.port, { "grpc.default_compression_algorithm": 2 });
  const received = receive(
    client.stream("start", { process: { cmd: "cat", envs: { T: "t".repeat(5_000) } } }),
  );
  const process = byPid(await received.started());
  const stdin = Buffer.alloc(300_000, "compressible ");
  await client.unary("sendInput", { process, input: { stdin } });
  expect(await client.list()).toMatchObject([{ config: { envs: { T: "t".repeat(5_000) } } }]);
  await client.unary("closeStdin", { process });
  await received.ended();
  expect(received.bytes("stdout").equals(stdin)).toBe(true);
});

test("a cancelled Start leaves the process running for the next client", async () => {
  const client = openGrpcClient(agent.port);
  const call = client.stream("start", { process: { cmd: "cat" } });
  const received = receive(call);
  const process = byPid(await received.started());
  call.cancel();
  expect(await received.failed()).toMatchObject({ code: status.CANCELLED });
  const second = receive(client.stream("connect", { process }));
  await second.started();
  await client.unary("sendInput", { process, input: { stdin: Buffer.from("alive") } });
  await second.until(() => second.text("stdout") === "alive");
});

test("a deadline on Start kills the process: DEADLINE_EXCEEDED, and other subscribers receive the end event", async () => {
  const client = openGrpcClient(agent.port);
  const limited = receive(client.stream("start", { process: { cmd: "cat" } }, { deadlineMs: 1500 }));
  const second = receive(client.stream("connect", { process: byPid(await limited.started()) }));
  expect(await limited.failed()).toMatchObject({ code: status.DEADLINE_EXCEEDED });
  expect(await second.ended()).toMatchObject({ exitCode: -1, status: "signal: killed" });
});

test("a deadline that only the agent watches is reported by it", async () => {
  const client = openGrpcClient(agent.port);
  const metadata = { "grpc-timeout": "50m" };
  const received = receive(client.stream("start", { process: { cmd: "cat" } }, { metadata }));
  const pid = await received.started();
  expect(await received.failed()).toMatchObject({
    code: status.DEADLINE_EXCEEDED,
    details: `process ${pid} was killed: its time limit passed`,
  });
});

test("a deadline on Connect ends only that stream", async () => {
  const client = openGrpcClient(agent.port);
  const { pid, received } = await startCat(client);
  const second = receive(client.stream("connect", { process: byPid(pid) }, { deadlineMs: 100 }));
  const metadata = { "grpc-timeout": "50m" };
  const third = receive(client.stream("connect", { process: byPid(pid) }, { metadata }));
  expect(await third.failed()).toMatchObject({ code: status.DEADLINE_EXCEEDED });
  expect(await second.failed()).toMatchObject({ code: status.DEADLINE_EXCEEDED });
  await client.unary("sendInput", { process: byPid(pid), input: { stdin: Buffer.from("goes on") } });
  await received.until(() => received.text("stdout") === "goes on");
});

test("an idle stream receives a KeepAlive after keepalive-ping-interval", async () => {
  const client = openGrpcClient(agent.port);
  const metadata = { "keepalive-ping-interval": "1" };
  const received = receive(client.stream("start", { process: { cmd: "cat" } }, { metadata }));
  const process = byPid(await received.started());
  await received.until(() => received.keepalives() >= 1);
  await client.unary("closeStdin", { process });
  await received.ended();
  expect(received.kinds).toEqual(["start", "keepalive", "end"]);
});

test("errors have gRPC's codes and name the wrong value", async () => {
  const client = openGrpcClient(agent.port);
  const { pid } = await startCat(client);
  const gone = { process: byPid(999_999_999) };
  const start = (request: object, metadata = {}) =>
    receive(client.stream("start", request, { metadata })).failed();
  const unary = (name: Parameters<typeof client.unary>[0], request: object) =>
    client.unary(name, request).catch((error: unknown) => error);
  const inputWithoutStart = () => {
    const { call, answer } = client.streamInput();
    call.end({ data: { input: { stdin: Buffer.from("early") } } });
    return answer.catch((error: unknown) => error);
  };

  const answers: [unknown, status, RegExp][] = [
    [await start({ process: { cmd: "" } }), status.INVALID_ARGUMENT, /^cmd is empty/],
    [await start({ process: { cmd: "/etc" } }), status.INVALID_ARGUMENT, /^command "\/etc" is a directory/],
    [
      await start({ process: { cmd: "cat", cwd: "/etc/passwd" } }),
      status.INVALID_ARGUMENT,
      /^cwd "\/etc\/passwd" is not a directory$/,
    ],
    [
      await start({ process: { cmd: "cat" } }, { authorization: `Basic ${btoa("no-such-user:")}` }),
      status.UNAUTHENTICATED,
      /^no such user: "no-such-user"$/,
    ],
    [
      await receive(client.stream("connect", gone)).failed(),
      status.NOT_FOUND,
      /^no process with pid 999999999$/,
    ],
    [await unary("sendInput", { process: byPid(pid) }), status.UNIMPLEMENTED, /give stdin or pty/],
    [
      await unary("sendInput", { process: byPid(pid), input: { pty: Buffer.from("x") } }),
      status.FAILED_PRECONDITION,
      new RegExp(`^process ${pid} has no pty input`),
    ],
    [await unary("sendSignal", { process: byPid(pid) }), status.INVALID_ARGUMENT, /^signal 0 is unknown/],
    [await unary("closeStdin", {}), status.INVALID_ARGUMENT, /select one by pid, tag or process_id/],
    [await inputWithoutStart(), status.INVALID_ARGUMENT, /^the first event is data; it must be start$/],
  ];
  for (const [error, code, details] of answers)
    expect(error).toMatchObject({ code, details: expect.stringMatching(details) });
});
