// The flags of `run` as docker has them, `shell`, and `attach` without a name.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { untilSignalled } from "../../client/test-client.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast, holdfastOnTerminal, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();
const plain = { env: { NO_COLOR: "1" } };
const DETACH = "\u0010\u0011";

test("--timeout kills the process at its time limit, says so, and exits with 124", async () => {
  const command = holdfast(agent.url, [
    "run",
    "--timeout",
    "300ms",
    "--tag",
    "late",
    "sh",
    "-c",
    "echo begun; sleep 1000",
  ]);
  const { code, stdout, stderr } = await finished(command);
  expect({ code, stdout }).toEqual({ code: 124, stdout: "begun\n" });
  expect(stderr).toMatch(/^holdfast: process \d+ was killed: its time limit has passed\n$/);
  expect((await finished(holdfast(agent.url, ["attach", "late"]))).code).toBe(124);
  expect((await finished(holdfast(agent.url, ["wait", "late"]))).code).toBe(124);
  expect((await finished(holdfast(agent.url, ["run", "--timeout", "0", "true"]))).stderr).toBe(
    "holdfast: option '--timeout <duration>' argument '0' is invalid. A time limit is above 0; leave it out for no limit.\n",
  );
});

test("--name is --tag, and --workdir is --cwd", async () => {
  expect(
    await finished(holdfast(agent.url, ["run", "--name", "named", "--workdir", "/usr", "pwd"])),
  ).toMatchObject({
    stdout: "/usr\n",
  });
  expect(await untilProcess(agent.url, "named", {})).toMatchObject({ tag: "named" });
});

test.each([
  [
    ["-d"],
    "ring",
    /mode ring: the process never waits, and the agent keeps only the newest output; --while-detached buffer/,
  ],
  [
    ["-d", "--while-detached", "buffer"],
    "buffer",
    /mode buffer: the agent keeps the output until its buffer is full/,
  ],
  [
    ["-d", "--while-detached", "block"],
    "block",
    /mode block: the process waits once its pipe is full, until a client attaches/,
  ],
] as const)(
  "%j says once on stderr what the mode %s means, and --quiet does not",
  async (flags, _, meaning) => {
    const loud = await finished(holdfast(agent.url, ["run", ...flags, "true"]));
    expect(loud.stdout).toMatch(/^\d+ [\da-f-]{36}\n$/);
    expect(loud.stderr).toMatch(meaning);
    expect(loud.stderr.split("\n")).toHaveLength(2);
    const quiet = await finished(holdfast(agent.url, ["run", "-q", ...flags, "true"]));
    expect(quiet).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+ /), stderr: "" });
  },
);

test("a detached process does not stop at the size of its pipe", async () => {
  await finished(holdfast(agent.url, ["run", "-qd", "--tag", "make", "seq", "300000"]));
  await untilProcess(agent.url, "make", {
    exit: expect.objectContaining({ exitCode: 0 }),
    offset: 1_988_895,
  });
});

test("run requests buffer: a process that was left continues, and no byte of 2 MB is lost", async () => {
  const command = holdfast(agent.url, [
    ...["run", "--tag", "left", "bash", "-c"],
    `${untilSignalled}; seq 300000; echo end`,
  ]);
  await command.waitFor("stdout", /ready/);
  command.kill("SIGHUP");
  await command.exited();
  await untilProcess(agent.url, "left", { subscribers: 0 });
  await finished(holdfast(agent.url, ["kill", "-USR1", "left"]));
  await untilProcess(agent.url, "left", { exit: expect.objectContaining({ exitCode: 0 }) });
  const { stdout, stderr } = await finished(holdfast(agent.url, ["attach", "--from", "0", "left"]));
  expect({ lines: stdout.split("\n").length, stderr }).toEqual({ lines: 300_003, stderr: "" });
});

test("a second live process with the same tag is a warning, also with --detach", async () => {
  await finished(holdfast(agent.url, ["run", "-qd", "--tag", "twin", "sleep", "1000"]));
  const { stderr } = await finished(holdfast(agent.url, ["run", "--tag", "twin", "true"]));
  expect(stderr).toMatch(
    /^holdfast: another live process has the tag "twin"; from now on the tag selects process \d+\n$/,
  );
  await finished(holdfast(agent.url, ["run", "-qd", "--tag", "twin", "sleep", "1000"]));
  const third = await finished(holdfast(agent.url, ["run", "-d", "--tag", "twin", "sleep", "1000"]));
  expect(third.stderr).toMatch(/\nholdfast: 2 other live processes have the tag "twin"; .*\n$/);
});

test.runIf(process.getuid?.() === 0)("-u takes a name, a number, and a group", async () => {
  const uid = execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }).trim();
  const ids = async (user: string) => {
    const { stdout, stderr } = await finished(
      holdfast(agent.url, ["run", "-u", user, "sh", "-c", "echo $(id -u) $(id -g) $(id -G)"]),
    );
    return stdout + stderr;
  };
  expect(await ids("nobody:root")).toBe(`${uid} 0 0\n`);
  expect(await ids("1000")).toMatch(/^1000 \d+ /);
  expect(await ids("48152:48153")).toBe("48152 48153 48153\n");
  expect(await ids("nobody:no-such-group")).toBe('holdfast: no such group: "no-such-group"\n');
  expect(await ids("nobody:")).toMatch(
    /^holdfast: option '-u, --user <user>' argument 'nobody:' is invalid\. A user is /,
  );
});

test("the command is listed as holdfast, with its arguments", async () => {
  const command = holdfast(agent.url, ["run", "--tag", "listed", "sh", "-c", "echo ready; sleep 1000"]);
  await command.waitFor("stdout", /ready/);
  const ps = (field: string) =>
    execFileSync("ps", ["-o", `${field}=`, "-p", String(command.pid)], { encoding: "utf8" }).trim();
  expect(ps("comm")).toBe("holdfast");
  expect(ps("args")).toMatch(/^holdfast run --tag listed sh -c /);
});

test("attach without a name attaches to the only process, and otherwise names the processes", async () => {
  expect((await finished(holdfast(agent.url, ["attach"]))).stderr).toBe(
    "holdfast: no process runs (holdfast ps --all lists ended ones)\n",
  );
  await leave(agent.url, "cat; exit 9", { tag: "only" });
  const command = holdfast(agent.url, ["attach"], { stdin: "pipe" });
  command.child.stdin?.end("fed");
  expect(await finished(command)).toEqual({ code: 9, stdout: "fed", stderr: "" });
  const one = await leave(agent.url, "exec sleep 1000", { tag: "one" });
  const two = await leave(agent.url, "exec sleep 1000", { tag: "two" });
  expect(await finished(holdfast(agent.url, ["attach"]))).toEqual({
    code: 125,
    stdout: "",
    stderr: `holdfast: 2 processes run; name one of them: ${one.pid} (one), ${two.pid} (two)\n`,
  });
});

test("shell starts a login shell with a name, and the next shell with that name returns to it", async () => {
  const first = holdfastOnTerminal(agent.url, ["shell", "mine", "-e", "PS1=", "--shell", "sh"], plain);
  await first.waitFor(/attached to process (\d+)/);
  first.type("marker=kept; echo re''ady\r");
  await first.waitFor(/\nready/);
  first.type(DETACH);
  expect(await first.exited()).toBe(0);
  const second = holdfastOnTerminal(agent.url, ["shell", "mine"], plain);
  await second.waitFor(/attached to process/);
  second.type('echo "still $marker"\r');
  await second.waitFor(/still kept/);
  second.type("exit 6\r");
  expect(await second.exited()).toBe(6);
});

test("shell without a name is called shell, is bash where there is one, and does not take a process without a terminal", async () => {
  // Without the start-up files of a person, which may do anything.
  const home = `HOME=${createTempFolder()}`;
  const terminal = holdfastOnTerminal(agent.url, ["shell", "-e", home], plain);
  await terminal.waitFor(/attached to process/);
  const { cmd, isPty } = await untilProcess(agent.url, "shell", {});
  expect({ cmd, isPty }).toEqual({ cmd: "bash", isPty: true });
  terminal.type("exit\r");
  expect(await terminal.exited()).toBe(0);
  await leave(agent.url, "exec sleep 1000", { tag: "taken" });
  const { code, stderr } = await finished(holdfast(agent.url, ["shell", "taken"]));
  expect(code).toBe(125);
  expect(stderr).toMatch(
    /^holdfast: process \d+ has the name "taken" and no terminal: attach to it, or choose another name\n$/,
  );
});
