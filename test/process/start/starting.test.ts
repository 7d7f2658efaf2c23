// The properties of a started process: its descriptors, its session, its signals, its arguments.

import { readdirSync, readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { libc } from "../../../src/linux/libc.ts";
import { collectOutput, outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PIPES, PTY, script, terminalScript } from "../../support/clients/start-requests.ts";
import { eventually } from "../../support/proc/proc.ts";

test("a script writes to /dev/stderr and /dev/stdout by name, because both are real pipes", async () => {
  const table = createTable();
  const process = await table.start(
    script("echo hi > /dev/stderr; echo ho > /dev/stdout; readlink /proc/self/fd/1"),
  );

  expect(await outputOf(process)).toMatchObject({
    stderr: "hi\n",
    stdout: expect.stringMatching(/^ho\npipe:\[\d+\]\n$/),
    end: { exitCode: 0 },
  });
});

test("output written before a client attaches is neither read nor lost", async () => {
  const table = createTable();
  const process = await table.start(script("echo early"));
  await eventually(
    "the process is reaped",
    () => !process.isRunning,
    () => process.pid,
  );

  expect(process.output.isReading).toBe(false);
  expect(await outputOf(process)).toMatchObject({ stdout: "early\n", end: { exitCode: 0 } });
});

test.each([
  ["pipes", PIPES],
  ["pipes without stdin", { kind: "pipes", stdin: false } as const],
  ["a terminal", PTY],
])("a process on %s has nothing open but 0, 1 and 2", async (_, stdio) => {
  const dup = libc.func("int dup(int fd)");
  const close = libc.func("int close(int fd)");
  // Inherited descriptors are not close-on-exec. Opened before the table, which the agent creates
  // at its start.
  const inherited: number[] = [dup(0), dup(1), dup(2)];
  onTestFinished(() => {
    for (const fd of inherited) close(fd);
  });
  const table = createTable();
  // The descriptors of other processes are the most likely to leak.
  await table.start(command("sleep", ["60"]));
  await table.start(command("sleep", ["60"], { stdio: PTY }));

  const process = await table.start(command("sleep", ["60"], { stdio }));

  // Not at once: the dynamic loader opens libraries and closes them.
  await eventually(
    "only 0, 1 and 2 are open",
    () => openIn(process.pid) === "0 1 2",
    () => openIn(process.pid),
  );
});

test("a process on pipes leads its own session and process group and has no terminal", async () => {
  const table = createTable();
  const process = await table.start(command("sleep", ["60"]));

  expect(sessionOf(process.pid)).toEqual({ group: process.pid, session: process.pid, hasTerminal: false });
});

test("a process on a pty leads its own session, and the pty is its controlling terminal", async () => {
  const table = createTable();
  const process = await table.start(command("sleep", ["60"], { stdio: PTY }));

  expect(sessionOf(process.pid)).toEqual({ group: process.pid, session: process.pid, hasTerminal: true });
});

test("a process ignores and blocks no signal, though the agent ignores SIGPIPE", async () => {
  const table = createTable();
  expect(signalSets(readFileSync("/proc/self/status", "utf8")).ignored & (1n << 12n)).not.toBe(0n);

  const { stdout } = await outputOf(await table.start(command("cat", ["/proc/self/status"])));

  const { ignored, blocked } = signalSets(stdout);
  expect(ignored).toBe(0n);
  expect(blocked).toBe(0n);
});

test("a process whose reader disconnects dies of SIGPIPE, as in a shell", async () => {
  const table = createTable();
  const { stdout } = await outputOf(await table.start(script("set -o pipefail; yes | head -n1; echo $?")));

  expect(stdout).toBe("y\n141\n");
});

test("without stdin a process reads /dev/null", async () => {
  const table = createTable();
  const process = await table.start(
    script("readlink /proc/self/fd/0; cat; echo eof", { stdio: { kind: "pipes", stdin: false } }),
  );

  expect(await outputOf(process)).toMatchObject({ stdout: "/dev/null\neof\n", end: { exitCode: 0 } });
});

test("with stdin a process reads a real pipe that stays open until closeStdin", async () => {
  const table = createTable();
  const process = await table.start(script("readlink /proc/self/fd/0; cat; echo eof"));
  const output = collectOutput(process);

  await output.waitFor("stdout", /^pipe:\[\d+\]\n$/);
  await process.write("stdin", Buffer.from("hello\n"));
  await output.waitFor("stdout", /hello\n$/);
  process.closeStdin();

  expect(await output.end()).toMatchObject({ exitCode: 0 });
  expect(output.text("stdout")).toMatch(/hello\neof\n$/);
});

test("argv[0] is the command as the request names it, not the path of the file", async () => {
  const table = createTable();
  const { stdout } = await outputOf(await table.start(command("cat", ["/proc/self/cmdline"])));

  expect(stdout).toBe("cat\0/proc/self/cmdline\0");
});

test("arguments arrive unchanged: spaces, quotes, newlines, UTF-8, empty ones, many", async () => {
  const table = createTable();
  const args = ["a b", "", "'\"\\$x", "line\nline", "Grüße, 世界 🌍", "-n", "", ...Array(5_000).fill("x")];
  const { stdout } = await outputOf(
    await table.start(command("bash", ["-c", 'printf "%s\\0" "$@"', "bash", ...args])),
  );

  expect(stdout.split("\0").slice(0, -1)).toEqual(args);
});

test("an environment and arguments of nearly 2 MB, the limit of the kernel, arrive complete", async () => {
  const table = createTable();
  const environment = Object.fromEntries(
    Array.from({ length: 15 }, (_, index) => [`LARGE_${index}`, String(index).padEnd(100_000, "v")]),
  );
  const large = "x".repeat(100_000);

  const { stdout } = await outputOf(await table.start(command("env", ["-0"], { environment })));

  const variables = new Map(stdout.split("\0").map((line) => [line.split("=")[0], line]));
  for (const [name, value] of Object.entries(environment))
    expect(variables.get(name)).toBe(`${name}=${value}`);
  const echoed = await outputOf(await table.start(command("echo", ["-n", large], { environment })));
  expect(echoed.stdout).toBe(large);
});

test("a terminal carries the output of all three descriptors, in order", async () => {
  const table = createTable();
  const process = await table.start(
    terminalScript("echo out; echo err >&2; echo in >&0; echo tty > /dev/tty"),
  );

  expect(await outputOf(process)).toMatchObject({
    pty: "out\r\nerr\r\nin\r\ntty\r\n",
    stdout: "",
    stderr: "",
  });
});

function openIn(pid: number): string {
  return readdirSync(`/proc/${pid}/fd`).join(" ");
}

function sessionOf(pid: number) {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const [, , group, session, terminal] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { group: Number(group), session: Number(session), hasTerminal: terminal !== "0" };
}

function signalSets(status: string): { readonly ignored: bigint; readonly blocked: bigint } {
  const set = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s+([0-9a-f]+)$`, "m").exec(status)?.[1]}`);
  return { ignored: set("SigIgn"), blocked: set("SigBlk") };
}
