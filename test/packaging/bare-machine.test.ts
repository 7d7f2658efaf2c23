// The single executable (npm run build:binary) on a bare Debian, as process 1.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { CommandExitError, Sandbox } from "e2b";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { childrenOf, eventually } from "../support/proc/proc.ts";
import { type BareRoot, makeBareRoot, whyNoBareRoot } from "./bare-root.ts";

const executable = join(import.meta.dirname, "../../dist-binary/holdfast-linux-x64");
const reason = existsSync(executable) ? whyNoBareRoot() : `${executable} is not built (npm run build:binary)`;
if (reason !== undefined) process.stderr.write(`bare machine: SKIPPED, ${reason}\n`);

describe.skipIf(reason !== undefined)("on a bare Debian", () => {
  let root: BareRoot;
  beforeAll(async () => {
    root = await makeBareRoot(executable);
  });
  afterAll(() => root.remove());

  test("without Node the executable prints its version and its commands", async () => {
    await expect(root.run("which", "node")).rejects.toThrow();
    await expect(root.run("find", "/usr", "-name", "libatomic*")).resolves.toMatchObject({ stdout: "" });
    const { stdout } = await root.run("/usr/local/bin/holdfast", "--version");
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    await expect(root.run("/usr/local/bin/holdfast", "help")).resolves.toMatchObject({
      stdout: expect.stringContaining("holdfast run"),
    });
  });

  test("run and ps of the executable talk to its serve", async () => {
    const agent = await startAsInit();
    const run = await root.run("/usr/local/bin/holdfast", "run", "--url", agent.url, "--", "echo", "hello");
    expect(run.stdout).toBe("hello\n");
    const ps = await root.run("/usr/local/bin/holdfast", "ps", "--all", "--json", "--url", agent.url);
    expect(JSON.parse(ps.stdout)).toMatchObject([{ cmd: "echo", args: ["hello"], state: "ended" }]);
  });

  test("as process 1 it runs a command on pipes for the E2B SDK outside", async () => {
    const sandbox = await connect(await startAsInit());
    const result = await sandbox.commands.run('echo "child of $PPID"; echo oops >&2');
    expect(result).toMatchObject({ exitCode: 0, stdout: "child of 1\n", stderr: "oops\n" });
    const failed = await sandbox.commands.run("touch /read-only || exit 7").catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(CommandExitError);
    expect(failed).toMatchObject({ exitCode: 7, stderr: expect.stringContaining("Read-only file system") });
  });

  test("as process 1 it runs a command on a terminal", async () => {
    const client = createClient({ baseUrl: (await startAsInit()).url });
    onTestFinished(() => client.close());
    const shell = await client.start({
      cmd: "/bin/sh",
      args: ["-c", "test -t 0 && tty && stty size"],
      pty: { cols: 132, rows: 43 },
    });
    let output = "";
    for await (const event of shell) if (event.kind === "pty") output += Buffer.from(event.data).toString();
    expect(output).toMatch(/^\/dev\/pts\/\d+\r\n43 132\r\n$/);
    expect(await shell.exit).toMatchObject({ exitCode: 0 });
  });

  // The launcher of commands stays open, in memory.
  test("its native parts leave nothing behind, on disk or open", async () => {
    const sandbox = await connect(await startAsInit());
    const { stdout } = await sandbox.commands.run(
      "ls -A /run; ls -l /proc/1/fd | grep deleted | grep -v memfd:holdfast-launcher || true",
    );
    expect(stdout).toBe("");
  });

  test("without a writable folder it prints one line with the need and exits with 1", async () => {
    const failure = await root.runReadOnly("/usr/local/bin/holdfast", "serve", "--port", "0").catch((e) => e);
    expect(failure).toMatchObject({ code: 1, stdout: "" });
    expect(failure.stderr).toMatch(/^holdfast: .*mount a tmpfs at \/run, or set TMPDIR .*\n$/);
  });

  test("without /proc its native parts use a folder that is removed at once, and it names what is missing", async () => {
    const failure = await root.run("/usr/local/bin/holdfast", "serve", "--port", "0").catch((e) => e);
    expect(failure).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("'/proc/self/fd'"),
    });
    const { stdout } = await root.run("find", "/run", "/dev", "/tmp", "/var/tmp", "-name", "holdfast-*");
    expect(stdout).toBe("");
  });

  test("as process 1 it reaps an orphan", async () => {
    const sandbox = await connect(await startAsInit());
    const { stdout } = await sandbox.commands.run("sleep 1000 >/dev/null 2>&1 & echo $!");
    const pid = Number(stdout);
    const parent = await sandbox.commands.run(`grep PPid /proc/${pid}/status`);
    expect(parent.stdout).toBe("PPid:\t1\n");
    await sandbox.commands.run(`kill -9 ${pid}`);
    let state = "";
    await eventually(
      "the orphan is reaped",
      async () => {
        state = (await sandbox.commands.run(`cat /proc/${pid}/status 2>/dev/null || echo gone`)).stdout;
        return state === "gone\n";
      },
      () => state,
    );
  });

  test("as process 1 it stops at SIGTERM, ends its processes and exits with 0", async () => {
    const agent = await startAsInit();
    const sandbox = await connect(agent);
    const command = await sandbox.commands.run("exec sleep 1000", { background: true });
    // unshare blocks SIGTERM while it waits, and exits as its child does.
    for (const pid of childrenOf(agent.pid)) process.kill(pid, "SIGTERM");
    await expect(command.wait()).rejects.toMatchObject({ error: "signal: terminated" });
    expect(await agent.exited()).toEqual({ code: 0, signal: null });
  });

  test("started by the microVM's init it listens as process 1 with a token and stops at SIGTERM", async () => {
    const agent = await startAgent({ program: root.asMicrovm });
    expect(agent.url).toBe("http://0.0.0.0:49983");
    await agent.waitFor("stderr", /"pid":1,.*"msg":"ready"/);
    for (const pid of childrenOf(agent.pid)) process.kill(pid, "SIGTERM");
    expect(await agent.exited()).toEqual({ code: 0, signal: null });
    expect(agent.stderr()).not.toMatch(/mount|denied|not found/);
  });

  async function startAsInit(): Promise<RunningAgent> {
    const agent = await startAgent({ program: root.asInit });
    onTestFinished(() => {
      for (const pid of childrenOf(agent.pid)) process.kill(pid, "SIGTERM");
    });
    return agent;
  }
});

function connect(agent: RunningAgent): Promise<Sandbox> {
  return Sandbox.create({ debug: true, sandboxUrl: agent.url });
}
