// `holdfast kill` and `signal`, with the signal written in each of the ways that people know.
import { describe, expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { finished, holdfast, leave, processes, untilProcess } from "../holdfast.ts";

const agent = agentForFile();
const SIGNALS =
  "It is one of SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGSTOP, SIGWINCH.";

describe.each(["kill", "signal"])("%s", (command) => {
  test.each([
    [["-9", "victim"], "SIGKILL"],
    [["victim", "-9"], "SIGKILL"],
    [["-KILL", "victim"], "SIGKILL"],
    [["-SIGINT", "victim"], "SIGINT"],
    [["-s", "HUP", "victim"], "SIGHUP"],
    [["-s9", "victim"], "SIGKILL"],
    [["--signal", "sigterm", "victim"], "SIGTERM"],
    [["--signal=15", "victim"], "SIGTERM"],
  ])("%j sends the signal", async (args, signal) => {
    await leave(agent.url, "exec sleep 1000", { tag: "victim" });
    expect(await finished(holdfast(agent.url, [command, ...args]))).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    await untilProcess(agent.url, "victim", { exit: expect.objectContaining({ signal }) });
  });

  test.each([
    [["--grop", "x"], `unknown option '--grop' (holdfast ${command} --help)`],
    [["-99", "x"], `'-99' is not a signal. ${SIGNALS}`],
    [["-BOGUS", "x"], `'-BOGUS' is not a signal. ${SIGNALS}`],
    [["-9", "-TERM", "x"], "two signals are given: -9 -TERM"],
    [["-9"], `missing required argument 'selector' (holdfast ${command} --help)`],
  ])("%j is one line and exit code 2", async (args, line) => {
    expect(await finished(holdfast(agent.url, [command, ...args]))).toEqual({
      code: 2,
      stdout: "",
      stderr: `holdfast: ${line}\n`,
    });
  });
});

test.each([
  ["kill", "--", "-odd"],
  ["kill", "-9", "--", "-odd"],
  ["signal", "--", "-odd", "TERM"],
  ["kill", "plain", "-9", "--", "-odd"],
])("holdfast %s %s %s %s: words after -- are no options", async (...words) => {
  await leave(agent.url, "exec sleep 1000", { tag: "plain" });
  await leave(agent.url, "exec sleep 1000", { tag: "-odd" });
  expect(await finished(holdfast(agent.url, words))).toEqual({ code: 0, stdout: "", stderr: "" });
  for (const tag of words.filter((word) => ["plain", "-odd"].includes(word)))
    await untilProcess(agent.url, tag, { exit: expect.anything() });
});

test("kill without a signal sends SIGTERM to each process, also if one of them is gone", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "one" });
  await leave(agent.url, "exec sleep 1000", { tag: "two" });
  const { code, stderr } = await finished(holdfast(agent.url, ["kill", "one", "nobody", "two"]));
  expect(code).toBe(1);
  expect(stderr).toBe(
    'holdfast: no process has the pid, tag or process_id "nobody" (holdfast ps --all lists them)\n',
  );
  for (const tag of ["one", "two"])
    await untilProcess(agent.url, tag, { exit: expect.objectContaining({ signal: "SIGTERM" }) });
});

test("kill --group also ends the children", async () => {
  await leave(agent.url, "echo ready; sleep 1000; exit 1", { tag: "group", bytes: 6 });
  await finished(holdfast(agent.url, ["kill", "-INT", "-g", "group"]));
  await untilProcess(agent.url, "group", { exit: expect.objectContaining({ signal: "SIGINT" }) });
});

test("signal with several processes needs the signal as an option", async () => {
  const { code, stderr } = await finished(holdfast(agent.url, ["signal", "a", "b", "TERM"]));
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: "holdfast: several processes need the signal as an option: -TERM A B\n",
  });
});

test("an empty name, as of a variable that is not set, names no process, also none with an empty tag", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "" });
  const line = "holdfast: the name of the process is empty; give its pid, tag or process_id (holdfast ps)\n";
  for (const args of [
    ["kill", ""],
    ["logs", ""],
    ["wait", ""],
    ["attach", ""],
    ["inspect", ""],
  ])
    expect((await finished(holdfast(agent.url, args))).stderr, args[0]).toBe(line);
  expect((await processes(agent.url)).find(({ tag }) => tag === "")?.exit).toBeUndefined();
});
