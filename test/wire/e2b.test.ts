// The unmodified `e2b` SDK in debug mode. In debug mode it talks to http://localhost:49983 unless `sandboxUrl` (or
// E2B_SANDBOX_URL) says otherwise, so no fixed port is needed here.

import { createHash } from "node:crypto";
import { userInfo } from "node:os";
import {
  AuthenticationError,
  CommandExitError,
  type CommandHandle,
  InvalidArgumentError,
  NotFoundError,
  Sandbox,
  SandboxError,
  TimeoutError,
} from "e2b";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { useEmptyHome } from "../support/agent/empty-home.ts";
import { killAll } from "../support/agent/running-processes.ts";
import { inTime } from "../support/deadline.ts";
import { eventually } from "../support/proc/proc.ts";
import { volume } from "../support/volume.ts";

let agent: RunningAgent;
let sandbox: Sandbox;

beforeAll(async () => {
  agent = await startAgent();
  sandbox = await Sandbox.create({ debug: true, sandboxUrl: agent.url });
  return useEmptyHome(agent.url);
});
afterAll(() => agent.stop());
afterEach(() => killAll(agent.url));

const encode = (text: string) => new TextEncoder().encode(text);
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => error,
  );

/** Collects the text that a callback receives, and waits for parts of it. */
function collector() {
  let text = "";
  let seen = (): void => undefined;
  const decoder = new TextDecoder();
  return {
    add: (data: string | Uint8Array) => {
      text += typeof data === "string" ? data : decoder.decode(data, { stream: true });
      seen();
    },
    text: () => text,
    until: (pattern: RegExp) =>
      inTime(
        new Promise<void>((resolve) => {
          seen = () => {
            if (pattern.test(text)) resolve();
          };
          seen();
        }),
        () => `no ${pattern} in ${JSON.stringify(text.slice(-1000))}`,
      ),
  };
}

test("the sandbox reports that it is running", async () => {
  expect(await sandbox.isRunning()).toBe(true);
});

test("run returns stdout, stderr and exit code 0, and its callbacks receive the same output", async () => {
  const [stdout, stderr] = [collector(), collector()];
  const result = await sandbox.commands.run("echo out; echo é err >&2", {
    onStdout: stdout.add,
    onStderr: stderr.add,
  });
  expect(result).toEqual({ exitCode: 0, error: undefined, stdout: "out\n", stderr: "é err\n" });
  expect([stdout.text(), stderr.text()]).toEqual(["out\n", "é err\n"]);
});

test("a command that fails throws CommandExitError with its exit code, message and output", async () => {
  const error = await rejection(sandbox.commands.run("echo out; echo err >&2; exit 42"));
  expect(error).toBeInstanceOf(CommandExitError);
  expect(error).toMatchObject({ exitCode: 42, error: "exit status 42", stdout: "out\n", stderr: "err\n" });
});

test("an unknown command is reported by bash", async () => {
  const error = await rejection(sandbox.commands.run("no-such-command"));
  expect(error).toMatchObject({
    exitCode: 127,
    stderr: expect.stringContaining("no-such-command: command not found"),
  });
});

test("a background command runs beside others, is listed, and is killed", async () => {
  const command = await sandbox.commands.run("exec sleep 1000", { background: true, envs: { MARK: "here" } });
  expect(await sandbox.commands.run("echo meanwhile")).toMatchObject({ stdout: "meanwhile\n" });
  expect(await sandbox.commands.list()).toEqual([
    { pid: command.pid, cmd: "/bin/bash", args: ["-l", "-c", "exec sleep 1000"], envs: { MARK: "here" } },
  ]);
  expect(await command.kill()).toBe(true);
  const error = await rejection(command.wait());
  expect(error).toBeInstanceOf(CommandExitError);
  expect(error).toMatchObject({ exitCode: -1, error: "signal: killed" });
  expect(await sandbox.commands.kill(command.pid)).toBe(false);
  expect(await sandbox.commands.list()).toEqual([]);
});

test("input goes to the command by handle and by pid, and closing it is the end of file", async () => {
  const command = await sandbox.commands.run("cat", { background: true, stdin: true });
  await command.sendStdin("by handle, ");
  await sandbox.commands.sendStdin(command.pid, encode("by pid"));
  await command.closeStdin();
  expect(await command.wait()).toMatchObject({ exitCode: 0, stdout: "by handle, by pid" });
});

test("a command without stdin reads an end of file, and input to it is an error", async () => {
  expect(await sandbox.commands.run("cat; echo over")).toMatchObject({ stdout: "over\n" });
  const command = await sandbox.commands.run("exec sleep 1000", { background: true });
  const error = await rejection(command.sendStdin("nobody reads"));
  expect(error).toBeInstanceOf(SandboxError);
  expect(error).toMatchObject({
    message: expect.stringContaining(`process ${command.pid} has no stdin: it was started without one`),
  });
});

test("a second handle by connect receives the output and the end of a running command", async () => {
  const command = await sandbox.commands.run("cat", { background: true, stdin: true });
  const output = collector();
  const connected = await sandbox.commands.connect(command.pid, { onStdout: output.add });
  expect(connected.pid).toBe(command.pid);
  await connected.sendStdin("seen by both");
  await output.until(/^seen by both$/);
  await connected.closeStdin();
  expect(await connected.wait()).toMatchObject({ exitCode: 0, stdout: "seen by both" });
  expect(await command.wait()).toMatchObject({ exitCode: 0, stdout: "seen by both" });
});

test("a handle that disconnects leaves the command running for the next handle", async () => {
  const first = await sandbox.commands.run("cat", { background: true, stdin: true });
  await first.disconnect();
  expect(await sandbox.commands.list()).toMatchObject([{ pid: first.pid }]);
  const second = await sandbox.commands.connect(first.pid);
  await second.sendStdin("still there");
  await second.closeStdin();
  expect(await second.wait()).toMatchObject({ exitCode: 0, stdout: "still there" });
});

test("envs and cwd reach the command", async () => {
  const envs = { NAME: "välue with spaces", EMPTY: "" };
  const result = await sandbox.commands.run('echo "$NAME,$(printenv EMPTY && echo set),$PWD"', {
    envs,
    cwd: "/usr/lib",
  });
  expect(result.stdout).toBe("välue with spaces,\nset,/usr/lib\n");
});

test("a command runs as the user it asks for", async () => {
  // Only root may run commands as another user.
  const user = process.getuid?.() === 0 ? "nobody" : userInfo().username;
  const result = await sandbox.commands.run('echo "$(id -un) $USER"', { user });
  expect(result.stdout).toBe(`${user} ${user}\n`);
});

test("an unknown user is an AuthenticationError, and nothing is started", async () => {
  const error = await rejection(sandbox.commands.run("true", { user: "no-such-user" }));
  expect(error).toBeInstanceOf(AuthenticationError);
  expect(error).toMatchObject({ message: expect.stringContaining('no such user: "no-such-user"') });
  expect(await sandbox.commands.list()).toEqual([]);
});

test("a missing cwd is an InvalidArgumentError that names it", async () => {
  const error = await rejection(sandbox.commands.run("true", { cwd: "/no/such/folder" }));
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toMatchObject({ message: expect.stringContaining('cwd "/no/such/folder" does not exist') });
});

test("an unknown pid is a NotFoundError, and kill returns false", async () => {
  const error = await rejection(sandbox.commands.connect(999_999_999));
  expect(error).toBeInstanceOf(NotFoundError);
  expect(error).toMatchObject({ message: expect.stringContaining("no process with pid 999999999") });
  expect(await rejection(sandbox.commands.sendStdin(999_999_999, "x"))).toBeInstanceOf(NotFoundError);
  expect(await sandbox.commands.kill(999_999_999)).toBe(false);
});

test("a command that takes longer than timeoutMs is killed: TimeoutError", async () => {
  const error = await rejection(sandbox.commands.run("exec sleep 1000", { timeoutMs: 200 }));
  expect(error).toBeInstanceOf(TimeoutError);
  let listed: unknown;
  await eventually(
    "killed",
    async () => {
      const commands = await sandbox.commands.list();
      listed = commands;
      return commands.length === 0;
    },
    () => listed,
  );
});

test("timeoutMs 0 sets no limit", async () => {
  const command = await sandbox.commands.run("cat", { background: true, stdin: true, timeoutMs: 0 });
  await command.closeStdin();
  expect(await command.wait()).toMatchObject({ exitCode: 0 });
});

/** Of eight bytes each. */
const LINES = volume(1_250_000, 6_250_000);

test(`${(LINES * 8) / 1e6} MB of output arrive complete`, { timeout: 120_000 }, async () => {
  const sum = createHash("sha256");
  let bytes = 0;
  const result = await sandbox.commands.run(`seq -w 1 ${LINES}`, {
    onStdout: (text) => {
      bytes += text.length;
      sum.update(text, "latin1");
    },
    // More than the SDK's default of a minute: its decoding takes most of the time.
    timeoutMs: 0,
  });
  expect(result).toMatchObject({ exitCode: 0, stderr: "" });
  expect([bytes, result.stdout.length]).toEqual([LINES * 8, LINES * 8]);
  const expected = await sandbox.commands.run(`seq -w 1 ${LINES} | sha256sum`);
  expect(`${sum.digest("hex")}  -\n`).toBe(expected.stdout);
});

/**
 * Resolves at the shell's first prompt, which is `ready42> ` on every machine. Input before the prompt can be lost or can
 * end the shell: bash and the kernel change the terminal's mode at that time.
 */
async function openTerminal(output: ReturnType<typeof collector>): Promise<CommandHandle> {
  const envs = { HOME: "/", PROMPT_COMMAND: "PS1='ready$((6*7))> '" };
  const terminal = await sandbox.pty.create({ cols: 80, rows: 24, onData: output.add, envs });
  await output.until(/ready42> $/);
  return terminal;
}

test("a terminal accepts input, has its size, is resized, and ends with its shell", async () => {
  const output = collector();
  const terminal = await openTerminal(output);
  const type = (text: string) => sandbox.pty.sendInput(terminal.pid, encode(text));
  await type('echo "[$TERM] [$(stty size)] [$(test -t 0 && tty)]"\n');
  await output.until(/\[xterm-256color\] \[24 80\] \[\/dev\/pts\/\d+\]\r\n.*ready42> $/);
  await sandbox.pty.resize(terminal.pid, { cols: 132, rows: 43 });
  await type("stty size\n");
  await output.until(/43 132\r\n.*ready42> $/);
  await type("exit 3\n");
  expect(await rejection(terminal.wait())).toMatchObject({ exitCode: 3, error: "exit status 3" });
});

test("Ctrl-C interrupts the command in a terminal, and the shell continues", async () => {
  const output = collector();
  const terminal = await openTerminal(output);
  // The sleeping command prints this: until it has the terminal, bash may swallow the interrupt.
  await sandbox.pty.sendInput(terminal.pid, encode("sh -c 'echo sleeping; exec sleep 1000'\n"));
  await output.until(/sleeping\r\n/);
  await sandbox.pty.sendInput(terminal.pid, encode("\x03"));
  await output.until(/sleeping\r\n[\s\S]*ready42> $/);
  await sandbox.pty.sendInput(terminal.pid, encode("echo status $?\n"));
  await output.until(/status 130\r\n/);
});

test("a terminal continues without its client, which returns by connect", async () => {
  const first = await openTerminal(collector());
  await first.disconnect();
  const output = collector();
  const second = await sandbox.pty.connect(first.pid, { onData: output.add });
  expect(second.pid).toBe(first.pid);
  await sandbox.pty.sendInput(first.pid, encode("echo back $((1+1))\n"));
  await output.until(/back 2\r\n/);
});

test("a terminal is killed once", async () => {
  const terminal = await openTerminal(collector());
  expect(await sandbox.pty.kill(terminal.pid)).toBe(true);
  expect(await rejection(terminal.wait())).toMatchObject({ exitCode: -1, error: "signal: killed" });
  expect(await sandbox.pty.kill(terminal.pid)).toBe(false);
});

test("resizing a process without a terminal, or to size 0, is an error that says so", async () => {
  const command = await sandbox.commands.run("exec sleep 1000", { background: true });
  const resized = await rejection(sandbox.pty.resize(command.pid, { cols: 1, rows: 1 }));
  expect(resized).toBeInstanceOf(SandboxError);
  expect(resized).toMatchObject({ message: expect.stringContaining("has no window size: it runs on pipes") });
  const created = await rejection(sandbox.pty.create({ cols: 0, rows: 24, onData: () => undefined }));
  expect(created).toBeInstanceOf(InvalidArgumentError);
  expect(created).toMatchObject({ message: expect.stringContaining("cols is 0, must be 1 to 65535") });
});
