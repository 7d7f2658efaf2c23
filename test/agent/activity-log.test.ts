// The log lines about processes, clients and refusals, and the texts that the log never contains.

import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { receive } from "../support/clients/received-events.ts";
import { callRpc, encodeBody } from "../support/clients/rpc-call.ts";
import { eventually } from "../support/proc/proc.ts";

type Line = Readonly<Record<string, unknown>> & { readonly msg: string };

function linesOf(agent: { stderr(): string }, message?: string): Line[] {
  const lines = agent.stderr().trimEnd().split("\n");
  return lines
    .map((line) => JSON.parse(line) as Line)
    .filter(({ msg }) => message === undefined || msg === message);
}

const UUID = /^[0-9a-f-]{36}$/;

test("the life of a process is four log lines: start, attach, detach with the reason, end with bytes, duration and exit", async () => {
  const agent = await startAgent();
  const received = receive(
    plainClient(agent.url).start({
      process: { cmd: "sh", args: ["-c", "printf 12345; exit 3"] },
      tag: "mine",
    }),
  );
  await received.ended();
  await agent.waitFor("stderr", /client detached/);
  await agent.waitFor("stderr", /process ended/);
  const [started] = linesOf(agent, "process started");
  const identity = {
    process_id: expect.stringMatching(UUID),
    pid: expect.any(Number),
    user: expect.any(String),
    tag: "mine",
  };
  expect(started).toMatchObject({ ...identity, level: "info", stdio: "pipes" });
  const same = {
    process_id: started?.["process_id"],
    pid: started?.["pid"],
    user: started?.["user"],
    tag: "mine",
  };
  expect(linesOf(agent, "client attached")).toMatchObject([
    { ...same, offset: 0, resumes: false, subscribers: 1 },
  ]);
  expect(linesOf(agent, "client detached")).toMatchObject([
    { ...same, offset: 5, reason: "end", subscribers: 0 },
  ]);
  expect(linesOf(agent, "process ended")).toMatchObject([
    { ...same, bytes: 5, duration_ms: expect.any(Number), exit: "exit status 3" },
  ]);
});

test("a client that disconnects and returns is distinguished from one whose process ended", async () => {
  const agent = await startAgent();
  onTestFinished(() => killAll(agent.url));
  const client = plainClient(agent.url);
  const left = new AbortController();
  const received = receive(
    client.start({ process: { cmd: "sh", args: ["-c", "printf 123; exec cat"] } }, { signal: left.signal }),
  );
  const pid = await received.started();
  await received.until(() => received.text("stdout") === "123");
  left.abort();
  await agent.waitFor("stderr", /"reason":"gone"/);
  const back = receive(
    client.connect({ process: { selector: { case: "pid", value: pid } }, fromOffset: 1n }),
  );
  await back.until(() => back.text("stdout") === "23");
  expect(linesOf(agent, "client detached")).toMatchObject([{ pid, reason: "gone", offset: 3 }]);
  expect(linesOf(agent, "client attached")).toMatchObject([
    { pid, offset: 0, resumes: false },
    { pid, offset: 1, resumes: true },
  ]);
});

test("a client that the agent disconnects is logged with its offset", async () => {
  const agent = await startAgent({ args: ["--stall-timeout", "200ms"] });
  onTestFinished(() => killAll(agent.url));
  const { openConnection } = await import("../support/clients/raw-http.ts");
  const stalled = await openConnection(agent.port);
  onTestFinished(() => stalled.cut());
  const body = encodeBody("Connect JSON", "Start", [{ process: { cmd: "yes" }, tag: "flood" }]);
  stalled.send(
    `POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  stalled.send(body);
  await agent.waitFor("stderr", /client attached/);
  stalled.socket.pause();
  const other = receive(
    plainClient(agent.url).connect({ process: { selector: { case: "tag", value: "flood" } } }),
  );
  await agent.waitFor("stderr", /"reason":"cut"/);
  expect(linesOf(agent, "client detached")[0]).toMatchObject({
    tag: "flood",
    reason: "cut",
    offset: expect.any(Number),
  });
  await killAll(agent.url);
  await other.ended();
});

test("a process that had to be killed at shutdown is logged, and the others are not", async () => {
  const agent = await startAgent({ env: { HOLDFAST_SHUTDOWN_GRACE: "100ms" } });
  const client = plainClient(agent.url);
  const stubborn = receive(
    client.start({
      process: { cmd: "sh", args: ["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"] },
      tag: "stubborn",
    }),
  );
  const willing = receive(client.start({ process: { cmd: "cat" }, tag: "willing" }));
  await willing.started();
  await stubborn.until(() => stubborn.text("stdout") === "ready\n");
  await agent.stop();
  expect(linesOf(agent, "process killed: the agent ends")).toMatchObject([
    {
      level: "warn",
      tag: "stubborn",
      pid: await stubborn.started(),
      process_id: expect.stringMatching(UUID),
    },
  ]);
  expect(linesOf(agent, "stopped")).toMatchObject([{ ended: 1, killed: 1 }]);
  expect(linesOf(agent, "process ended")).toMatchObject([
    { tag: "willing", exit: "signal: terminated" },
    { tag: "stubborn", exit: "signal: killed" },
  ]);
});

/** Each is used in one place of a session, and none may appear in the log. */
const secrets = {
  argument: "secret-in-an-argument",
  variable: "secret-in-a-variable",
  input: "secret-in-the-input",
  output: "secret-in-the-output",
  token: "secret-in-the-token",
  wrongToken: "secret-in-a-wrong-token",
  password: "secret-in-the-password",
  badName: "secret=in-a-name",
};

async function busySession(logArgs: readonly string[]) {
  const agent = await startAgent({
    args: ["--log-level", "debug", ...logArgs],
    env: { HOLDFAST_ACCESS_TOKEN: secrets.token },
  });
  const headers = {
    "x-access-token": secrets.token,
    authorization: `Basic ${btoa(`${process.env["USER"] ?? "root"}:${secrets.password}`)}`,
  };
  const call = (rpc: string, message: object, more: Record<string, string> = {}) =>
    callRpc(agent.port, "Connect JSON", {
      rpc,
      headers: { ...headers, ...more },
      body: encodeBody("Connect JSON", rpc, [JSON.parse(JSON.stringify(message))]),
    });
  const script = `read -r line; echo "${secrets.output}" | tr a-z A-Z; exit 4 # ${secrets.argument}`;
  const running = call("Start", {
    process: { cmd: "sh", args: ["-c", script], envs: { NAME: secrets.variable } },
    tag: "busy",
  });
  await agent.waitFor("stderr", /client attached/);
  const process_ = { tag: "busy" };
  await call("SendInput", { process: process_, input: { stdin: btoa(`${secrets.input}\n`) } });
  expect((await running).code).toBe("ok");
  await call("Start", { process: { cmd: "sh", args: [`${secrets.argument}\0`] } });
  await call("Start", {
    process: { cmd: "no-such", args: [secrets.argument], envs: { [secrets.badName]: "x" } },
  });
  await call("Start", { process: { cmd: "no-such", args: [secrets.argument] } });
  await call("List", {}, { "x-access-token": secrets.wrongToken });
  await call("SendInput", { process: process_, input: { pty: btoa(secrets.input) } });
  await fetch(`${agent.url}/init`, {
    method: "POST",
    body: JSON.stringify({ accessToken: secrets.wrongToken, envVars: { A: secrets.variable } }),
  });
  await fetch(`${agent.url}/init`, {
    method: "POST",
    body: JSON.stringify({ accessToken: secrets.token, envVars: { A: secrets.variable } }),
  });
  await fetch(`${agent.url}/init`, { method: "POST", body: `{"accessToken": "${secrets.wrongToken}` });
  await agent.stop();
  return agent;
}

test("neither arguments, variables, input, output nor tokens are logged, at any level", async () => {
  const log = (await busySession([])).stderr();
  expect(log).toContain("process started");
  expect(log).toContain("request refused");
  expect(log).toContain("call refused");
  for (const secret of [...Object.values(secrets), secrets.output.toUpperCase()]) {
    expect(log).not.toContain(secret);
    expect(log).not.toContain(btoa(secret).replace(/=+$/, ""));
  }
  expect(log).not.toContain("Basic ");
});

test("with --log-commands, commands and their arguments are logged, and no other secret", async () => {
  const agent = await busySession(["--log-commands"]);
  expect(linesOf(agent, "process started")).toMatchObject([
    { cmd: "sh", args: ["-c", expect.stringContaining(secrets.argument)] },
  ]);
  const { argument, output, ...others } = secrets;
  for (const secret of [...Object.values(others), output.toUpperCase()])
    expect(agent.stderr()).not.toContain(secret);
});

test("texts that clients choose are truncated", async () => {
  const agent = await startAgent({ args: ["--log-commands"] });
  const long = "x".repeat(100_000);
  const many = Array.from({ length: 1000 }, () => "an argument");
  const received = receive(
    plainClient(agent.url).start({ process: { cmd: "true", args: [long, ...many] }, tag: "x".repeat(256) }),
  );
  await received.ended();
  await agent.waitFor("stderr", /process ended/);
  for (const line of agent.stderr().split("\n")) expect(line.length).toBeLessThan(2000);
});

test("3,000 refusals become a few lines with the right number", async () => {
  const agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: secrets.token } });
  const body = encodeBody("Connect JSON", "List", [{}]);
  for (let i = 0; i < 30; i++) {
    await Promise.all(
      Array.from({ length: 100 }, () => callRpc(agent.port, "Connect JSON", { rpc: "List", body })),
    );
  }
  const counted = () =>
    linesOf(agent, "request refused").reduce((sum, line) => sum + Number(line["suppressed"] ?? 1), 0);
  await eventually(
    "all are counted",
    () => counted() === 3_000,
    () => counted(),
  );
  const first = linesOf(agent, "request refused")[0];
  expect(first).toMatchObject({
    level: "info",
    method: "POST",
    path: "/process.Process/List",
    code: "unauthenticated",
    peer: "127.0.0.1",
  });
  // At most eleven lines per second, and no test takes two minutes.
  expect(linesOf(agent, "request refused").length).toBeLessThan(1000);
});
