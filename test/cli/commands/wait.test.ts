// `holdfast wait`, and results that are kept for longer or are gone.
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { startAgent } from "../../support/agent/agent.ts";
import { plainClient } from "../../support/agent/running-processes.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { finished, holdfast, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

async function endInput(tag: string): Promise<void> {
  await plainClient(agent.url).closeStdin({ process: { selector: { case: "tag", value: tag } } });
}

test("wait prints the exit code of a process when it ends, exits with it, and reads none of its output", async () => {
  await leave(agent.url, "read x; seq 1000; exit 7", { tag: "waited" });
  const command = holdfast(agent.url, ["wait", "waited"]);
  await untilProcess(agent.url, "waited", { subscribers: 1 });
  await endInput("waited");
  expect(await finished(command)).toEqual({ code: 7, stdout: "7\n", stderr: "" });
  const { stdout } = await finished(holdfast(agent.url, ["attach", "waited"]));
  expect(stdout).toMatch(/^1\n[\d\n]*\n1000\n$/);
});

test("wait for several processes prints a line for each in the order of their names, and exits with the last code", async () => {
  await leave(agent.url, "exit 3", { tag: "a" });
  await leave(agent.url, "kill -TERM $$", { tag: "b" });
  await leave(agent.url, "read x; exit 5", { tag: "c" });
  const command = holdfast(agent.url, ["wait", "c", "b", "a"]);
  await untilProcess(agent.url, "c", { subscribers: 1 });
  await endInput("c");
  expect(await finished(command)).toEqual({ code: 3, stdout: "5\n143\n3\n", stderr: "" });
});

test("wait without a name waits for all that run, and for nothing if none runs", async () => {
  expect(await finished(holdfast(agent.url, ["wait"]))).toEqual({ code: 0, stdout: "", stderr: "" });
  await leave(agent.url, "read x; exit 1", { tag: "first" });
  await leave(agent.url, "read x; exit 2", { tag: "second" });
  const command = holdfast(agent.url, ["wait"]);
  await untilProcess(agent.url, "first", { subscribers: 1 });
  await untilProcess(agent.url, "second", { subscribers: 1 });
  await endInput("second");
  await endInput("first");
  expect(await finished(command)).toEqual({ code: 2, stdout: "1\n2\n", stderr: "" });
});

test("wait --timeout ends with 124, and the process continues", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "long" });
  const { code, stdout, stderr } = await finished(
    holdfast(agent.url, ["wait", "--timeout", "300ms", "long"]),
  );
  expect({ code, stdout }).toEqual({ code: 124, stdout: "" });
  expect(stderr).toBe("holdfast: the wait has ended after 0.3 s (--timeout)\n");
  expect((await untilProcess(agent.url, "long", { subscribers: 0 })).exit).toBeUndefined();
});

test("wait --json prints an object for each", async () => {
  await leave(agent.url, "exit 3", { tag: "object" });
  await untilProcess(agent.url, "object", { exit: expect.anything() });
  const { code, stdout } = await finished(holdfast(agent.url, ["wait", "--json", "object"]));
  expect(code).toBe(3);
  expect(JSON.parse(stdout)).toEqual({
    ...{ pid: expect.any(Number), process_id: expect.any(String), tag: "object", code: 3 },
    ...{ exit_code: 3, exited: true, status: "exit status 3", signal: null, timed_out: false },
  });
});

test("wait survives a lost connection", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  await leave(agent.url, "read x; exit 6", { tag: "far" });
  const command = holdfast(proxy.url, ["wait", "far"]);
  await untilProcess(agent.url, "far", { subscribers: 1 });
  proxy.cut("rst");
  await command.waitFor("stderr", /reconnected/);
  await endInput("far");
  expect(await finished(command)).toMatchObject({ code: 6, stdout: "6\n" });
});

test("wait for a process that waits for a reader says so", async () => {
  await leave(agent.url, "read x; seq 100000", { tag: "stuck", output: { detached: "block" } });
  await endInput("stuck");
  await untilProcess(agent.url, "stuck", { blockedMs: expect.any(Number) });
  const command = holdfast(agent.url, ["wait", "stuck"]);
  const [, pid] = await command.waitFor(
    "stderr",
    /^holdfast: process (\d+) waits for a client that reads its output: holdfast attach \1\n/,
  );
  await finished(holdfast(agent.url, ["attach", `${pid}`]));
  expect((await finished(command)).stdout).toBe("0\n");
});

test("run --retain keeps a result after --retain-ended; without it the message says why the result is gone", async () => {
  const forgetful = await startAgent({ args: ["--retain-ended", "0s"] });
  const run = (...args: string[]) => finished(holdfast(forgetful.url, ["run", ...args]));
  await run("-q", "-d", "--retain", "1h", "--tag", "kept", "sh", "-c", "echo out; exit 4");
  await run("-q", "-d", "--tag", "gone", "sh", "-c", "exit 4");
  expect((await finished(holdfast(forgetful.url, ["wait", "kept"]))).code).toBe(4);
  expect(await finished(holdfast(forgetful.url, ["logs", "kept"]))).toMatchObject({
    code: 0,
    stdout: "out\n",
  });
  expect(await finished(holdfast(forgetful.url, ["wait", "kept"]))).toMatchObject({ code: 4, stdout: "4\n" });
  await expect
    .poll(async () => (await finished(holdfast(forgetful.url, ["ps"]))).stdout, { timeout: 15_000 })
    .not.toContain("gone");
  for (const [command, code] of [
    ["wait", 125],
    ["logs", 1],
    ["attach", 125],
  ] as const) {
    const result = await finished(holdfast(forgetful.url, [command, "gone"]));
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(
      /^holdfast: no process has the pid, tag or process_id "gone": process \d+ ended \d+ s ago \(exit status 4\), and its result was kept for 0 s \(serve --retain-ended, run --retain\)\n$/,
    );
  }
});

test("run --retain beyond the agent's limit is an error that names the flag", async () => {
  expect(await finished(holdfast(agent.url, ["run", "--retain", "48h", "true"]))).toEqual({
    code: 125,
    stdout: "",
    stderr: expect.stringMatching(
      /^holdfast: retain_ended_ms is 172800000; the limit is 86400000 \(--max-retain-ended\)\n$/,
    ),
  });
});

test("run --rm: the result is gone as soon as it was received", async () => {
  expect(
    await finished(holdfast(agent.url, ["run", "--rm", "--name", "once", "sh", "-c", "echo out; exit 2"])),
  ).toEqual({
    code: 2,
    stdout: "out\n",
    stderr: "",
  });
  const { stderr } = await finished(holdfast(agent.url, ["logs", "once"]));
  expect(stderr).toMatch(
    /: process \d+ ended \d+ s ago \(exit status 2\), and its result was delivered \(run --rm\)\n$/,
  );
});
