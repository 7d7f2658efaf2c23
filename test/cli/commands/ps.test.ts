// `holdfast ps`: the table, on a terminal and on a pipe, and the JSON.
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../src/client/index.ts";
import { agentForFile } from "../../client/file-agent.ts";
import { cliPath, startAgent } from "../../support/agent/agent.ts";
import { onTerminal } from "../../support/proc/on-terminal.ts";
import { finished, holdfast, holdfastOnTerminal, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

test("without processes, the table is only its headings and the JSON is an empty array", async () => {
  const { url } = await startAgent();
  expect(await finished(holdfast(url, ["ps"]))).toEqual({
    code: 0,
    stdout: "PID  TAG  USER  STATE  AGE  BYTES  HELD  SUBS  COMMAND\n",
    stderr: "",
  });
  expect((await finished(holdfast(url, ["ps", "--json"]))).stdout).toBe("[]\n");
});

test("running processes are listed, --all also lists retained ones, and each state has its word", async () => {
  const { url } = await startAgent();
  await leave(url, "exit 3", { tag: "ended" });
  await leave(url, "kill -KILL $$", { tag: "killed" });
  await leave(url, "exec sleep 1000", { tag: "unread", output: { detached: "block" } });
  for (const tag of ["ended", "killed"]) await untilProcess(url, tag, { exit: expect.anything() });
  const client = createClient({ baseUrl: url });
  onTestFinished(() => client.close());
  const running = await client.start({
    cmd: "bash",
    args: ["-c", "echo 12345; exec sleep 1000"],
    tag: "running",
  });
  await running[Symbol.asyncIterator]().next();
  // Attached, but not reading.
  await client.start({ cmd: "yes", tag: "blocked" });
  await untilProcess(url, "blocked", { reading: false, subscribers: 1 });

  const live = (await finished(holdfast(url, ["ps"]))).stdout;
  expect(live.split("\n")).toEqual([
    expect.stringMatching(/^ *PID {2}TAG +USER +STATE +AGE +BYTES +HELD +SUBS {2}COMMAND$/),
    expect.stringMatching(/^ *\d+ {2}unread +\S+ +unread +\d+s +0B +0B +0 {2}bash -c 'exec sleep 1000'$/),
    expect.stringMatching(
      /^ *\d+ {2}running +\S+ +running +\d+s +6B +\d+B +1 {2}bash -c 'echo 12345; exec sleep 1000'$/,
    ),
    expect.stringMatching(/^ *\d+ {2}blocked +\S+ +blocked +\d+s +[\d.]+[KM]iB +[\d.]+[KM]iB +1 {2}yes$/),
    "",
  ]);
  const all = (await finished(holdfast(url, ["ps", "--all"]))).stdout;
  expect(all).toMatch(/ {2}ended +\S+ +exit 3 +\d+s .* {2}bash -c 'exit 3'\n/);
  expect(all).toMatch(/ {2}killed +\S+ +SIGKILL +\d+s .* {2}bash -c 'kill -KILL \$\$'\n/);
});

test("--json contains every field, with the names of the wire", async () => {
  await leave(agent.url, "", {
    ...{ tag: "json", cmd: "sleep", args: ["1000"], cwd: "/tmp", env: { SECRET: "1" } },
    ...{ pty: { cols: 80, rows: 24 }, output: { detached: "block" } },
  });
  const { stdout } = await finished(holdfast(agent.url, ["ps", "--json"]));
  const [listed] = JSON.parse(stdout);
  expect(listed).toEqual({
    pid: expect.any(Number),
    process_id: expect.stringMatching(/^[\da-f-]{36}$/),
    tag: "json",
    user: expect.any(String),
    state: "unread",
    cmd: "sleep",
    args: ["1000"],
    cwd: "/tmp",
    pty: true,
    started_at: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
    offset: 0,
    held_bytes: 0,
    subscribers: 0,
    blocked_ms: null,
    end: null,
  });
  expect(stdout).not.toContain("SECRET");

  process.kill(listed.pid, "SIGKILL");
  await untilProcess(agent.url, "json", { exit: expect.anything() });
  const ended = JSON.parse((await finished(holdfast(agent.url, ["ps", "--json", "--all"]))).stdout);
  expect(ended.at(-1)).toMatchObject({
    tag: "json",
    state: "ended",
    end: { exit_code: -1, exited: false, status: "signal: killed", signal: "SIGKILL" },
  });
});

test("on a terminal the table fits its width, and the headings are dim", async () => {
  await leave(agent.url, "", { tag: "wide", cmd: "sleep", args: Array(40).fill("1000") });
  const terminal = holdfastOnTerminal(agent.url, ["ps"], { cols: 70 });
  expect(await terminal.exited()).toBe(0);
  const [headings = "", ...lines] = terminal.shown().trimEnd().split("\r\n");
  expect(headings.startsWith("\u001b[2m")).toBe(true);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/sleep 1000 .*…$/);
  expect(lines[0]).toHaveLength(70);
});

test("on a terminal whose size was never set, commands are not truncated", async () => {
  await leave(agent.url, "", { tag: "wide", cmd: "sleep", args: Array(40).fill("1000") });
  const withoutSize = ["sh", "-c", 'stty cols 0 rows 0; exec "$@"', "sh"];
  const terminal = onTerminal([...withoutSize, process.execPath, cliPath, "--url", agent.url, "ps"]);
  expect(await terminal.exited()).toBe(0);
  expect(terminal.shown()).toMatch(/sleep( 1000){40}\r\n$/);
});

test("no agent is one line and exit code 1", async () => {
  expect(await finished(holdfast("http://127.0.0.1:1", ["ps"]))).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "holdfast: no agent at http://127.0.0.1:1: nothing listens there (--url or HOLDFAST_URL says where it is)\n",
  });
});

test("-q prints pids, --filter chooses, --format prints fields, and a process stuck in a write shows since when", async () => {
  const idle = await leave(agent.url, "exec sleep 1000", { tag: "idle" });
  const stuck = await leave(agent.url, "exec yes", {
    tag: "stuck",
    output: { detached: "block" },
    bytes: expect.any(Number),
  });
  await untilProcess(agent.url, "stuck", { blockedMs: expect.any(Number) });
  const ps = async (...args: string[]) => (await finished(holdfast(agent.url, ["ps", ...args]))).stdout;
  expect(await ps("-q")).toBe(`${idle.pid}\n${stuck.pid}\n`);
  expect(await ps("-aq", "--filter", "name=stu")).toBe(`${stuck.pid}\n`);
  expect(await ps("--filter", "status=blocked", "--format", "{{.Pid}}\\t{{.Tag}}")).toBe(
    `${stuck.pid}\tstuck\n`,
  );
  expect(await ps("-f", "tag=stuck")).toMatch(/ stuck +\S+ +blocked \d+s /);
  expect(JSON.parse(await ps("-f", "tag=idle", "--format", "json"))).toMatchObject([{ tag: "idle" }]);
  process.kill(idle.pid, "SIGKILL");
  await untilProcess(agent.url, "idle", { exit: expect.anything() });
  expect(await ps("--filter", "status=killed", "-f", "tag=idle", "--format", "{{.Tag}} {{.Status}}")).toBe(
    "idle SIGKILL\n",
  );
});
