// The state of an agent in addition to its output: it is the same after an upgrade.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { Signal } from "../../src/gen/process_pb.ts";
import { runCommand, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { untilHeld, upgrade, upgradeStatus } from "../support/agent/upgrade.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { enlargePipe } from "../support/proc/enlarged-pipe.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { childrenOf, eventually, hasExited, stateOf } from "../support/proc/proc.ts";
import { bytesWritten, isBlockedInRead, untilBlockedInWrite } from "../support/proc/proc-activity.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(90_000, 1_800_000) });

type Client = ReturnType<typeof plainClient>;

const byTag = (value: string) => ({ selector: { case: "tag" as const, value } });
const byPid = (value: number) => ({ selector: { case: "pid" as const, value } });
const sh = (script: string) => ({ cmd: "sh", args: ["-c", script] });
const stdin = (text: string) => ({ input: { case: "stdin" as const, value: Buffer.from(text) } });

/** Starts a process whose stream is left at once; resolves with its pid. */
async function leave(client: Client, request: Parameters<Client["start"]>[0]): Promise<number> {
  const abort = new AbortController();
  const received = receive(client.start(request, { signal: abort.signal }));
  const pid = await received.started();
  abort.abort();
  await eventually(
    "detached",
    async () => {
      // An answer to an old client has no subscribers: they would always be 0.
      const { processes } = await client.list({ omitConfig: true });
      return processes.every((process) => process.pid !== pid || process.subscribers === 0);
    },
    () => `${pid}`,
  );
  return pid;
}

test("ended processes are found with their output, exit code, start_id and input offset", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const request = {
    process: sh("read x; echo got $x; exit 5"),
    stdin: true,
    startId: "one",
    tag: "first",
    offsets: true,
  };
  const received = receive(client.start(request));
  await received.started();
  const input = { process: byTag("first"), input: stdin("abc\n"), offset: 0n, writer: "w" };
  expect((await client.sendInput(input)).offset).toBe(4n);
  await received.ended();
  const before = await client.list({ includeEnded: true });
  await upgrade(agent);
  const after = await client.list({ includeEnded: true });
  const shown = ({ processes }: typeof before) =>
    processes.map(({ pid, processId, tag, end }) => ({ pid, processId, tag, end }));
  expect(shown(after)).toEqual(shown(before));
  expect((await client.sendInput(input)).offset).toBe(4n);
  const again = receive(client.start(request));
  expect(await again.ended()).toMatchObject({ exitCode: 5 });
  expect(again.text("stdout")).toBe("got abc\n");
});

test("the token, the variables and the order of POST /init stay", async () => {
  const agent = await startAgent();
  const headers = { "X-Access-Token": "secret-token-of-the-test" };
  const init = (body: object) =>
    fetch(`${agent.url}/init`, { method: "POST", headers, body: JSON.stringify(body) });
  const first = {
    envVars: { A: "1" },
    accessToken: headers["X-Access-Token"],
    timestamp: "2026-01-02T00:00:00Z",
  };
  expect((await init(first)).status).toBe(204);
  await upgrade(agent, undefined, headers);
  expect((await fetch(`${agent.url}/envs`)).status).toBe(401);
  // Older than what was applied before the upgrade.
  expect((await init({ envVars: { A: "0" }, timestamp: "2026-01-01T00:00:00Z" })).status).toBe(204);
  expect(await (await fetch(`${agent.url}/envs`, { headers })).json()).toEqual({ A: "1" });
});

test("variables with the names that the state uses itself stay, and hinder no upgrade", async () => {
  const agent = await startAgent();
  const envVars = { $at: "0", $bytes: "4", $as: "u32", $numbers: "1" };
  const init = await fetch(`${agent.url}/init`, { method: "POST", body: JSON.stringify({ envVars }) });
  expect(init.status).toBe(204);
  const received = receive(
    plainClient(agent.url).start({ process: { cmd: "cat", envs: envVars }, stdin: true, tag: "kept" }),
  );
  await received.started();
  await upgrade(agent);
  expect(await (await fetch(`${agent.url}/envs`)).json()).toEqual(envVars);
  const { processes } = await plainClient(agent.url).list({});
  expect(processes[0]?.config?.envs).toEqual(envVars);
  await plainClient(agent.url).closeStdin({ process: byTag("kept") });
  expect((await received.ended()).exitCode).toBe(0);
});

test("a list that began before the upgrade continues with the page after", async () => {
  const agent = await startAgent({ args: ["--retain-ended", "0s"] });
  const client = plainClient(agent.url);
  // The next image does not know it, and yet its place is not that of another.
  await leave(client, { process: { cmd: "cat" }, stdin: true, tag: "zero" });
  await client.closeStdin({ process: byTag("zero") });
  for (const tag of ["one", "two", "three"])
    await leave(client, { process: { cmd: "cat" }, stdin: true, tag });
  const { processes, nextPageToken } = await client.list({ pageSize: 1 });
  await upgrade(agent);
  const rest = await client.list({ pageSize: 10, pageToken: nextPageToken });
  expect([...processes, ...rest.processes].map(({ tag }) => tag)).toEqual(["one", "two", "three"]);
});

test("a new lifecycleID begins a generation, the same one after the upgrade does not", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const init = () => fetch(`${agent.url}/init`, { method: "POST", body: '{"lifecycleID":"life-1"}' });
  await init();
  const generation = async () => {
    const received = client.start({ process: { cmd: "true" }, offsets: true });
    for await (const { event } of received)
      if (event?.event.case === "start") return event.event.value.generation;
    return undefined;
  };
  const before = await generation();
  await upgrade(agent);
  await init();
  expect(await generation()).toBe(before);
});

/** `cat | cksum` with the tag "slow", stopped, so that its input waits. */
async function startStopped(url: string) {
  const client = plainClient(url);
  const received = receive(client.start({ process: sh("cat | cksum"), stdin: true, tag: "slow" }));
  const pid = await received.started();
  process.kill(-pid, "SIGSTOP");
  return { client, received, pid };
}

test("input that a process has read in part arrives once, and its end of file after it", async () => {
  const agent = await startAgent();
  const { client, received, pid } = await startStopped(agent.url);
  const data = Buffer.alloc(300_000, "0123456789");
  const call = new AbortController();
  const sent = client
    .sendInput(
      { process: byTag("slow"), input: { input: { case: "stdin", value: data } }, offset: 0n, writer: "w" },
      { signal: call.signal },
    )
    .catch(() => undefined);
  await untilHeld(agent, 300_000);
  await upgrade(agent);
  await sent;
  process.kill(-pid, "SIGCONT");
  const input = { input: { case: "stdin" as const, value: data } };
  expect((await client.sendInput({ process: byTag("slow"), input, offset: 0n, writer: "w" })).offset).toBe(
    300_000n,
  );
  await client.closeStdin({ process: byTag("slow") });
  await received.ended();
  expect(received.text("stdout")).toMatch(/ 300000\n$/);
});

test("input that waits behind other input is not lost when the input was closed after it", async () => {
  const agent = await startAgent();
  const { client, received, pid } = await startStopped(agent.url);
  const pieces = ["first", "second", "third"].map((text) => Buffer.alloc(300_000, text));
  const sent: Promise<unknown>[] = [];
  for (const [index, value] of pieces.entries()) {
    const input = { input: { case: "stdin" as const, value } };
    const place = index === 1 ? {} : { offset: BigInt(Math.min(index, 1) * 300_000), writer: "w" };
    sent.push(client.sendInput({ process: byTag("slow"), input, ...place }).catch(() => undefined));
    await untilHeld(agent, (index + 1) * 300_000);
  }
  await client.closeStdin({ process: byTag("slow") });
  await upgrade(agent);
  await upgrade(agent);
  await Promise.all(sent);
  process.kill(-pid, "SIGCONT");
  await received.ended();
  const whole = spawnSync("cksum", { input: Buffer.concat(pieces), encoding: "utf8" }).stdout;
  expect(received.text("stdout")).toBe(whole);
});

test("a terminal keeps its size and takes input through upgrades", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const received = receive(
    client.start({
      process: sh("stty -echo; echo ready; while read x; do stty size; echo $x; done"),
      pty: { size: { cols: 80, rows: 24 } },
    }),
  );
  const pid = await received.started();
  await received.until(() => received.text("pty").includes("ready"));
  await client.update({ process: byPid(pid), pty: { size: { cols: 100, rows: 30 } } });
  await upgrade(agent);
  const type = (text: string) =>
    client.sendInput({ process: byPid(pid), input: { input: { case: "pty", value: Buffer.from(text) } } });
  await type("one\n");
  await received.until(() => received.text("pty").includes("30 100\r\none"));
  await client.update({ process: byPid(pid), pty: { size: { cols: 90, rows: 20 } } });
  await type("two\n");
  await received.until(() => received.text("pty").includes("20 90\r\ntwo"));
  await client.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL });
  await received.ended();
});

test("processes that end at any moment around upgrades keep their exit codes and their last output", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const count = volume(20, 240);
  // Spread over about as long as the upgrades take.
  const ends = Array.from({ length: count }, async (_, index) => {
    const ms = String((index * 37) % 2000).padStart(4, "0");
    const received = receive(
      client.start({
        process: sh(`sleep ${ms.slice(0, 1)}.${ms.slice(1)}; printf tail${index}; exit ${index % 200}`),
      }),
    );
    const { exitCode } = await received.ended();
    return { exitCode, tail: received.text("stdout") };
  });
  await upgrade(agent);
  await upgrade(agent);
  expect(await Promise.all(ends)).toEqual(
    ends.map((_, index) => ({ exitCode: index % 200, tail: `tail${index}` })),
  );
  await eventually(
    "no zombies",
    () => childrenOf(agent.pid).length === 0,
    () => childrenOf(agent.pid).map(stateOf).join(),
  );
});

test("an orphan whose output is discarded continues to write without SIGPIPE, on pipes and on a terminal", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const folder = createTempFolder();
  const orphan = (name: string) =>
    `sh -c 'trap "" HUP; echo $$ > ${folder}/${name}; while :; do echo x || echo FAILED > ${folder}/${name}.failed; done' & sleep 0.1; exit 0`;
  await receive(client.start({ process: sh(orphan("pipe")) })).ended();
  await receive(client.start({ process: sh(orphan("pty")), pty: { size: { cols: 80, rows: 24 } } })).ended();
  await upgrade(agent);
  for (const name of ["pipe", "pty"]) {
    const pid = Number(readFileSync(join(folder, name), "utf8"));
    const written = () => Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
    const before = written();
    await eventually(
      `${name} is read`,
      () => written() > before + 1_000_000,
      () => `${written()} ${before}`,
    );
    expect(existsSync(join(folder, `${name}.failed`))).toBe(false);
    process.kill(pid, "SIGKILL");
  }
});

test("a time limit of a Start kills at its time, and that of a Connect ends its stream", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const limited = receive(
    client.start({ process: { cmd: "sleep", args: ["100"] } }, { headers: { "Connect-Timeout-Ms": "2500" } }),
  );
  const pid = await limited.started();
  const attached = receive(
    client.connect({ process: byPid(pid) }, { headers: { "Connect-Timeout-Ms": "1800" } }),
  );
  await attached.started();
  await upgrade(agent);
  expect(agent.stderr()).toMatch(/"msg":"upgraded"/);
  await expect(attached.failed()).resolves.toMatchObject({
    rawMessage: expect.stringMatching(/timed out|deadline/),
  });
  await expect(limited.failed()).resolves.toMatchObject({
    rawMessage: expect.stringMatching(/its time limit passed/),
  });
  expect(stateOf(pid)).toBeUndefined();
});

test("a draining process ends at its own time, with its exit code", async () => {
  const agent = await startAgent({ args: ["--drain-timeout", "3s"] });
  const client = plainClient(agent.url);
  const received = receive(client.start({ process: sh("sleep 100 & echo bye; exit 6") }));
  const pid = await received.started();
  await received.until(() => received.text("stdout") === "bye\n");
  await eventually(
    "reaped",
    () => stateOf(pid) === undefined,
    () => `${stateOf(pid)}`,
  );
  await upgrade(agent);
  expect(await received.ended()).toMatchObject({ exitCode: 6 });
});

test("output that the memory budget has left in the pipe of a process that was killed arrives after an upgrade, and then the end", async () => {
  const agent = await startAgent({ args: ["--memory-budget", "1MiB", "--drain-timeout", "0s"] });
  const check = new NumbersCheck(0);
  const fifo = createFifo();
  const client = startStream(
    agent.port,
    { process: { cmd: "bash", args: ["-c", `${fifo.wait}; exec ${numbersCommand()}`] }, stdin: false },
    { onData: (data) => check.push(data) },
  );
  const pid = await client.started();
  enlargePipe(pid, 1);
  client.pause();
  // Earlier it would complain of a missing fifo, and these bytes would count as output.
  await eventually(
    "the shell waits",
    () => isBlockedInRead(pid),
    () => stateOf(pid),
  );
  const writtenBefore = bytesWritten(pid);
  fifo.open();
  await untilBlockedInWrite(pid);
  const written = bytesWritten(pid) - writtenBefore;
  process.kill(pid, "SIGKILL");
  await eventually(
    "reaped",
    () => stateOf(pid) === undefined,
    () => `${stateOf(pid)}`,
  );
  const { processes } = await plainClient(agent.url).list({ includeEnded: true, omitConfig: true });
  expect(Number(processes[0]?.offset)).toBeLessThan(written);
  await upgrade(agent);
  client.resume();

  expect((await client.ended()).end?.status).toBe("signal: killed");
  expect(check.end).toBe(written);
});

test("output that no client has received waits for its client, in each mode", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  for (const [tag, detached] of [
    ["block", 1],
    ["buffer", 2],
    ["ring", 3],
  ] as const)
    await leave(client, {
      process: sh("read go; seq 1 2000; sleep 1000"),
      stdin: true,
      tag,
      output: { detached },
    });
  for (const tag of ["block", "buffer", "ring"])
    await client.sendInput({ process: byTag(tag), input: stdin("go\n") });
  await untilHeld(agent, 17_000);
  await upgrade(agent);
  for (const tag of ["block", "buffer", "ring"]) {
    const received = receive(client.connect({ process: byTag(tag) }));
    await received.until(() => received.text("stdout").endsWith("\n2000\n"));
    expect(received.text("stdout").split("\n")[0]).toBe("1");
  }
});

test("an observer and a keepalive continue on a carried stream", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const pid = await receive(client.start({ process: { cmd: "cat" }, stdin: true })).started();
  const observer = receive(
    client.connect({ process: byPid(pid), lag: 1 }, { headers: { "Keepalive-Ping-Interval": "1" } }),
  );
  await observer.started();
  await upgrade(agent);
  const before = observer.keepalives();
  await observer.until(() => observer.keepalives() > before);
  await client.sendInput({ process: byPid(pid), input: stdin("seen\n") });
  await observer.until(() => observer.text("stdout") === "seen\n");
});

test("carried streams count against --max-streams, until they end", async () => {
  const agent = await startAgent({ args: ["--max-streams", "1"] });
  const client = plainClient(agent.url);
  const received = receive(client.start({ process: { cmd: "cat" }, stdin: true, tag: "one" }));
  await received.started();
  await upgrade(agent);
  await expect(receive(client.start({ process: { cmd: "true" } })).failed()).resolves.toMatchObject({
    rawMessage: expect.stringMatching(/stream limit reached \(1;/),
  });
  await client.closeStdin({ process: byTag("one") });
  await received.ended();
  await eventually(
    "the next stream is admitted",
    async () =>
      (
        await receive(client.start({ process: { cmd: "true" } }))
          .ended()
          .catch(() => undefined)
      )?.exitCode === 0,
    agent.stderr,
  );
});

test("a silent connection answers after the upgrade, one with half a request is closed cleanly", async () => {
  const agent = await startAgent();
  const silent = await openConnection(agent.port);
  silent.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect((await silent.response()).status).toBe(204);
  const half = await openConnection(agent.port);
  half.send(
    "POST /process.Process/List HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  );
  const untouched = connect(agent.port, "127.0.0.1");
  await once(untouched, "connect");
  await upgrade(agent);
  await half.closed();
  expect(half.received().toString("latin1")).toBe("");
  const before = silent.received().length;
  silent.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await silent.until("a second answer", (bytes) => (bytes.length > before ? true : undefined));
  untouched.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [answer] = await once(untouched, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 204/);
  untouched.destroy();
  silent.cut();
});

test("after a carried stream ends, its connection takes the next request", async () => {
  const agent = await startAgent();
  const connection = await openConnection(agent.port);
  const message = JSON.stringify({ process: { cmd: "cat" }, stdin: true, tag: "kept" });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(message), 1);
  const body = Buffer.concat([head, Buffer.from(message)]);
  connection.send(
    `POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  connection.send(body);
  await connection.until("the start event", (bytes) => (bytes.includes('"start"') ? true : undefined));
  await upgrade(agent);
  await plainClient(agent.url).closeStdin({ process: byTag("kept") });
  await connection.until("the end", (bytes) =>
    bytes.toString("latin1").endsWith("0\r\n\r\n") ? true : undefined,
  );
  connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await connection.until("the next answer", (bytes) => (bytes.includes("HTTP/1.1 204") ? true : undefined));
  connection.cut();
});

test("short calls at any moment around upgrades are all answered over HTTP/1.1", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  let isOver = false;
  let calls = 0;
  const callers = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await client.list({});
      calls++;
    }
  });
  for (let count = 0; count < volume(3, 30); count++) await upgrade(agent);
  isOver = true;
  await Promise.all(callers);
  expect(calls).toBeGreaterThan(10);
});

test("a Unix socket keeps its file, and is removed when the agent stops", async () => {
  const path = join(createTempFolder(), "socket");
  const agent = runCommand({
    args: ["serve", "--listen", `unix:${path}`],
    env: { HOLDFAST_SHUTDOWN_GRACE: "500ms" },
  });
  await agent.waitFor("stdout", /listening on unix:/);
  const before = statSync(path);
  const env = { HOLDFAST_URL: `unix:${path}` };
  for (let count = 0; count < 2; count++) {
    const upgraded = runCommand({ args: ["upgrade"], env, deadlineMs: 60_000 });
    expect(await upgraded.exited(), upgraded.stderr()).toEqual({ code: 0, signal: null });
  }
  expect(statSync(path).ino).toBe(before.ino);
  expect(statSync(path).mode).toBe(before.mode);
  const run = runCommand({ args: ["run", "--", "echo", "here"], env, deadlineMs: 60_000 });
  expect((await run.exited()).code, run.stderr() + agent.stderr()).toBe(0);
  agent.kill("SIGTERM");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  expect(() => statSync(path)).toThrow(/ENOENT/);
});

/** Of 10 ms each. They continue through an exec. */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return user + system;
}

test("a stop signal at any moment after the turn stops the agent, or the guard ends its commands", async () => {
  const count = volume(3, 30);
  for (let index = 0; index < count; index++) {
    const agent = await startAgent();
    const pid = await receive(
      plainClient(agent.url).start({ process: { cmd: "sleep", args: ["1000"] } }),
    ).started();
    agent.kill("SIGUSR2");
    await agent.waitFor("stderr", /becoming the next version/);
    // The moments are spread over the start of Node, that of the agent, and the time after it.
    const ticks = cpuTicks(agent.pid) + Math.round((index * 30) / count);
    await eventually(
      "the next image has used so much of the processor",
      () => cpuTicks(agent.pid) >= ticks || agent.stderr().includes('"msg":"upgraded"'),
      agent.stderr,
    );
    agent.kill("SIGTERM");
    const { code, signal } = await agent.exited();
    const hasStopped = code === 0 && agent.stderr().includes('"msg":"stopped"');
    expect(hasStopped || signal === "SIGTERM", `${code} ${signal} ${agent.stderr()}`).toBe(true);
    await eventually("the command is gone", () => hasExited(pid), agent.stderr);
  }
});

test("the numbers of the metrics continue", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  await receive(client.start({ process: sh("echo hello") })).ended();
  const read = async () => {
    const text = await (await fetch(`${agent.url}/metrics/prometheus`)).text();
    const value = (name: string) => new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, "m").exec(text)?.[1];
    return [
      "holdfast_processes_started_total",
      "holdfast_attached_total",
      "holdfast_start_seconds_count",
    ].map(value);
  };
  const before = await read();
  expect(before[0]).toBe("1");
  await upgrade(agent);
  expect(await read()).toEqual(before);
});

test.runIf(process.getuid?.() === 0)(
  "an agent that is not root keeps its ambient capabilities, and its commands get none",
  async () => {
    const flags = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "--inh-caps=+net_bind_service,+kill",
      "--ambient-caps=+net_bind_service,+kill",
    ];
    const agent = await startAgent({ prefix: ["setpriv", ...flags] });
    const permitted = () => /^CapPrm:\s*(\S+)$/m.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))?.[1];
    const before = permitted();
    await upgrade(agent);
    await upgrade(agent);
    expect(permitted()).toBe(before);
    const received = receive(
      plainClient(agent.url).start({ process: { cmd: "grep", args: ["CapEff", "/proc/self/status"] } }),
    );
    await received.ended();
    expect(received.text("stdout")).toMatch(/^CapEff:\s*0+\n$/);
  },
);

test("after many upgrades the agent has no more descriptors and threads than after one, and the same arguments", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  await receive(client.start({ process: { cmd: "cat" }, stdin: true })).started();
  const state = () => ({
    fds: readdirSync(`/proc/${agent.pid}/fd`).length,
    threads: readdirSync(`/proc/${agent.pid}/task`).length,
    argv: readFileSync(`/proc/${agent.pid}/cmdline`, "latin1").replaceAll("\0", " ").trim(),
  });
  await upgrade(agent);
  const before = state();
  const count = volume(5, 100);
  for (let done = 0; done < count; done++) await upgrade(agent);
  expect((await upgradeStatus(agent.url)).upgrades).toBe(count + 1);
  let last: unknown;
  // Right after the first one, the connection that asked for it may still be open: one descriptor more.
  await eventually(
    "no more",
    () => {
      const now = state();
      last = now;
      return now.fds <= before.fds && now.threads <= before.threads && now.argv === before.argv;
    },
    () => `${JSON.stringify(last)} instead of ${JSON.stringify(before)}`,
  );
});

test("a resumable upload continues at its offset, and its digest is that of the whole", async () => {
  const agent = await startAgent();
  const content = Buffer.alloc(3_000_000, "0123456789abcdef");
  const path = join(createTempFolder(), "file");
  const created = await fetch(`${agent.url}/files?path=${path}&upload_id=upload-of-a-test`, {
    method: "POST",
    headers: { "Upload-Complete": "?0" },
    body: content.subarray(0, 1_000_000),
  });
  expect(created.status).toBe(201);
  await upgrade(agent);
  const location = `${agent.url}/files/uploads/upload-of-a-test`;
  const { headers } = await fetch(location, { method: "HEAD" });
  expect(headers.get("Upload-Offset")).toBe("1000000");
  await upgrade(agent);
  const digest = `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;
  const complete = await fetch(location, {
    method: "PATCH",
    headers: { "Upload-Complete": "?1", "Upload-Offset": "1000000", "Repr-Digest": digest },
    body: content.subarray(1_000_000),
  });
  expect(complete.status, await complete.clone().text()).toBe(200);
  expect(complete.headers.get("Repr-Digest")).toBe(digest);
  expect(readFileSync(path).equals(content)).toBe(true);
  await upgrade(agent);
  // Its answer was lost: the repeat learns that it is stored.
  const again = await fetch(location, {
    method: "PATCH",
    headers: { "Upload-Complete": "?1", "Upload-Offset": "3000000" },
  });
  expect(again.status).toBe(200);
  expect(again.headers.get("Repr-Digest")).toBe(digest);
});

test("an agent with a certificate executes itself again when the machine was restored", async () => {
  const file = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));
  const agent = runCommand({
    args: ["serve", "--port", "0", "--tls-cert", file("cert"), "--tls-key", file("key")],
  });
  const [, url = ""] = await agent.waitFor("stdout", /^holdfast listening on (https:\S+)\n/m);
  const body = '{"lifecycleID":"another life"}';
  const status = await new Promise((resolve, reject) => {
    const options = { method: "POST", ca: readFileSync(file("cert")), agent: false };
    request(`${url}/init`, options, (response) => resolve(response.resume().statusCode))
      .on("error", reject)
      .end(body);
  });
  expect(status).toBe(204);
  await agent.waitFor("stderr", /"msg":"upgraded"/);
  const upgraded = runCommand({ args: ["upgrade", "--ca", file("cert")], env: { HOLDFAST_URL: url } });
  expect(await upgraded.exited(), upgraded.stderr()).toEqual({ code: 0, signal: null });
});
