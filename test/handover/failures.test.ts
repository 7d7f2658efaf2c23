// Failures of the machine in an upgrade: no memory, no descriptor, no process, a file that changes, an exec that the kernel
// refuses. The agent continues, and no stream is cut.

import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, copyFileSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  type CommandOptions,
  cliPath,
  type RunningAgent,
  runCommand,
  startAgent,
} from "../support/agent/agent.ts";
import { expectEcho, startEcho, startStubborn } from "../support/agent/echo.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { requestUpgrade, untilHeld, upgrade, upgradeStatus, versionThat } from "../support/agent/upgrade.ts";
import { openConnection, type RawConnection } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";
import { eventually, hasExited } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

vi.setConfig({ testTimeout: 60_000 });

const isRoot = process.getuid?.() === 0;
const stdin = (text: string) => ({ input: { case: "stdin" as const, value: Buffer.from(text) } });

/** Sets a limit of the running agent. */
function limit(agent: RunningAgent, name: string, value: number | "unlimited"): void {
  // The soft limit: it can be raised again.
  execFileSync("prlimit", ["--pid", String(agent.pid), `--${name}=${value}:`]);
}

/** On a connection that is there already. */
async function postUpgrade(connection: RawConnection, to?: string): Promise<string> {
  const body = to === undefined ? "" : JSON.stringify({ to });
  const before = connection.received().length;
  connection.send(
    `POST /upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return connection.until("an answer", (received) => {
    const text = received.toString("latin1", before);
    return /\r\n\r\n./s.test(text) ? text : undefined;
  });
}

async function failure(agent: RunningAgent): Promise<string> {
  let message = "";
  await eventually(
    "the failure of an upgrade",
    async () => {
      const status = await upgradeStatus(agent.url);
      message = status.failure?.message ?? "";
      return !status.isUnderWay && message !== "";
    },
    agent.stderr,
  );
  return message;
}

test("without memory for the state, the rehearsal is refused, and the next upgrade succeeds", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  limit(agent, "fsize", 0);
  const answer = await requestUpgrade(agent.url);
  expect(answer.status, answer.body).toBe(409);
  expect(answer.body).toMatch(/the state of the agent cannot be written: EFBIG/);
  await expectEcho(agent, echo, "still here\n");
  limit(agent, "fsize", "unlimited");
  await upgrade(agent);
  await expectEcho(agent, echo, "upgraded\n");
});

test("without memory for the contents of the state, the agent continues, and its streams are not cut", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const echo = await startEcho(agent);
  const output = { detached: 2, detachedBufferBytes: 4_000_000n };
  const leaving = new AbortController();
  const held = client.start(
    {
      process: { cmd: "sh", args: ["-c", "read go; head -c 2000000 /dev/zero; sleep 1000"] },
      stdin: true,
      tag: "held",
      output,
    },
    { signal: leaving.signal },
  );
  await receive(held).started();
  leaving.abort();
  await client.sendInput({ process: { selector: { case: "tag", value: "held" } }, input: stdin("go\n") });
  await untilHeld(agent, 2_000_000);
  limit(agent, "fsize", 1_000_000);
  expect((await requestUpgrade(agent.url)).status).toBe(202);
  expect(await failure(agent)).toMatch(/the state of the agent cannot be written: EFBIG/);
  expect(await upgradeStatus(agent.url)).toMatchObject({ upgrades: 0, isUnderWay: false });
  await expectEcho(agent, echo, "still here\n");
  limit(agent, "fsize", "unlimited");
  const fds = () =>
    execFileSync("ls", [`/proc/${agent.pid}/fd`])
      .toString()
      .split("\n").length;
  const before = fds();
  limit(agent, "fsize", 1_000_000);
  expect((await requestUpgrade(agent.url)).status).toBe(202);
  await failure(agent);
  await eventually(
    "no descriptor is left",
    () => fds() <= before,
    () => `${fds()} instead of ${before}`,
  );
  limit(agent, "fsize", "unlimited");
  await upgrade(agent);
  await expectEcho(agent, echo, "upgraded\n");
});

test("without a descriptor for the state, the upgrade is refused, and the next one succeeds", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  const connection = await openConnection(agent.port);
  connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await connection.response();
  limit(agent, "nofile", 3);
  const answer = await postUpgrade(connection);
  expect(answer).toMatch(/^HTTP\/1\.1 409 /);
  // Node 26 says it in words.
  expect(answer).toMatch(/EMFILE|Too many open files/);
  limit(agent, "nofile", 4096);
  connection.cut();
  await expectEcho(agent, echo, "still here\n");
  await upgrade(agent);
  await expectEcho(agent, echo, "upgraded\n");
});

test.runIf(isRoot)(
  "without a process for the rehearsal, the upgrade is refused, and the next one succeeds",
  async () => {
    // Not root, which this limit does not count, and a user of its own.
    const flags = ["--reuid=61234", "--regid=61234", "--clear-groups"];
    const agent = await startAgent({ prefix: ["setpriv", ...flags] });
    const echo = await startEcho(agent);
    // A process may change the limits of another one of its user.
    const limitProcesses = (value: string) =>
      execFileSync("setpriv", [...flags, "prlimit", "--pid", String(agent.pid), `--nproc=${value}:`]);
    limitProcesses("1");
    const answer = await requestUpgrade(agent.url);
    expect(answer.status, answer.body).toBe(409);
    expect(answer.body).toMatch(/EAGAIN/);
    limitProcesses("4096");
    await upgrade(agent);
    await expectEcho(agent, echo, "upgraded\n");
  },
);

test("a next version that gets no memory is refused with what it says", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  const code =
    'require("node:child_process").execFileSync("prlimit", ["--pid", String(process.pid), "--as=1"]); Buffer.alloc(1e8, 1);';
  const answer = await requestUpgrade(
    agent.url,
    JSON.stringify({ to: versionThat(code, { inRehearsal: true }) }),
  );
  expect(answer.status).toBe(409);
  expect(answer.body).toMatch(/cannot continue this agent: (exit status|signal)/);
  await expectEcho(agent, echo, "still here\n");
  await upgrade(agent);
});

test.each([
  { what: "removed", change: "unlinkSync(__filename)", says: /was removed after it was tried/ },
  {
    what: "replaced",
    change:
      'writeFileSync(__filename + ".new", "process.abort()"); fs.renameSync(__filename + ".new", __filename)',
    says: /was replaced after it was tried/,
  },
])(
  "a script that is $what after it was tried is not executed, and streams continue",
  async ({ change, says }) => {
    const agent = await startAgent();
    const echo = await startEcho(agent);
    const code = `if (process.argv.includes("--rehearse")) { const fs = require("node:fs"); fs.${change}; }`;
    const to = versionThat(code, { inRehearsal: true });
    expect((await requestUpgrade(agent.url, JSON.stringify({ to }))).status).toBe(202);
    expect(await failure(agent)).toMatch(says);
    await expectEcho(agent, echo, "still here\n");
    await upgrade(agent);
  },
);

/**
 * An executable that is the next version: a copy of Node, which runs the script "serve" of the agent's folder, because
 * that is its first argument. `code` is run first in its rehearsal.
 */
async function withExecutable(
  code: string,
  options: CommandOptions = {},
): Promise<{ agent: RunningAgent; file: string }> {
  const cwd = createTempFolder();
  const file = join(cwd, "holdfast");
  copyFileSync(process.execPath, file);
  chmodSync(file, 0o755);
  writeFileSync(join(cwd, "package.json"), '{ "type": "commonjs" }');
  writeFileSync(
    join(cwd, "serve"),
    `if (process.argv.includes("--rehearse")) { const file = ${JSON.stringify(file)}; ${code} }
     process.argv.splice(1, 1, ${JSON.stringify(cliPath)}, "serve");
     require(${JSON.stringify(cliPath)});`,
  );
  return { agent: await startAgent({ ...options, cwd }), file };
}

test.each([
  {
    what: "is removed",
    code: 'require("node:fs").unlinkSync(file);',
    says: /was removed after it was tried/,
  },
  { what: "may no longer be executed", code: 'require("node:fs").chmodSync(file, 0o644);', says: /EACCES/ },
])(
  "when the kernel refuses the exec because the file $what, the agent continues with all its streams",
  async ({ code, says }) => {
    const { agent, file } = await withExecutable(code);
    const echo = await startEcho(agent);
    const answer = await requestUpgrade(agent.url, JSON.stringify({ to: file }));
    expect(answer.status, answer.body).toBe(202);
    expect(await failure(agent)).toMatch(says);
    await expectEcho(agent, echo, "still here\n");
    await upgrade(agent);
    await expectEcho(agent, echo, "upgraded\n");
  },
);

test("when the kernel refuses the exec because the file is being written, the agent continues with all its streams", async () => {
  const { agent, file } = await withExecutable("");
  const echo = await startEcho(agent);
  // A request that has half arrived: the agent waits a second for it, before the exec.
  const half = await openConnection(agent.port);
  half.send(
    "POST /process.Process/List HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{",
  );
  const answer = await requestUpgrade(agent.url, JSON.stringify({ to: file }));
  expect(answer.status, answer.body).toBe(202);
  const writer = openSync(file, "r+");
  expect(await failure(agent)).toMatch(/ETXTBSY/);
  closeSync(writer);
  half.cut();
  await expectEcho(agent, echo, "still here\n");
  await upgrade(agent, file);
  await expectEcho(agent, echo, "upgraded\n");
});

test("a state whose format the next version does not know is given back after the exec, and streams continue", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  const to = versionThat("const p = JSON.parse; JSON.parse = (...a) => ({ ...p(...a), format: 99 });");
  expect((await requestUpgrade(agent.url, JSON.stringify({ to }))).status).toBe(202);
  expect(await failure(agent)).toMatch(/wrote its state in format 99/);
  await expectEcho(agent, echo, "given back\n");
});

test("an agent that stops refuses to upgrade", async () => {
  const agent = await startAgent({ args: ["--shutdown-grace", "60s"] });
  const { pid } = await startStubborn(agent);
  const connection = await openConnection(agent.port);
  agent.kill("SIGTERM");
  await agent.waitFor("stderr", /"msg":"stopping; another signal/);
  expect(await postUpgrade(connection)).toMatch(/^HTTP\/1\.1 409 .*the agent is shutting down/s);
  connection.cut();
  process.kill(-pid, "SIGKILL");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  expect(hasExited(pid)).toBe(true);
});

test("a log that nobody reads delays no upgrade", async () => {
  const fifo = join(createTempFolder(), "log");
  execFileSync("mkfifo", [fifo]);
  // Both ends: opening it does not wait. Nothing more fits into it.
  const log = openSync(fifo, "r+");
  for (let free = 65_536; free > 0; free -= 4096) writeSync(log, Buffer.alloc(4096, "x"));
  const agent = await startAgent({
    prefix: ["sh", "-c", `exec "$@" 2> ${fifo}`, "sh"],
    env: { HOLDFAST_LOG_LEVEL: "debug" },
  });
  const echo = await startEcho(agent);
  await upgrade(agent);
  await upgrade(agent);
  await expectEcho(agent, echo, "upgraded\n");
  closeSync(log);
});

test("holdfast upgrade reports a file that was removed after it was tried", async () => {
  const agent = await startAgent();
  const code = 'if (process.argv.includes("--rehearse")) require("node:fs").unlinkSync(__filename);';
  const to = versionThat(code, { inRehearsal: true });
  const command = runCommand({ args: ["upgrade", "--to", to], env: { HOLDFAST_URL: agent.url } });
  expect(await command.exited()).toEqual({ code: 1, signal: null });
  expect(command.stderr()).toMatch(/was removed after it was tried/);
});
