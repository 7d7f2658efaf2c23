// `holdfast logs` with --tail, --since and --timestamps, against a real agent.
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { finished, holdfast, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

const logs = (...args: readonly string[]) => finished(holdfast(agent.url, ["logs", ...args]));

test("--tail prints the last lines that are held, and all prints every line", async () => {
  await leave(agent.url, "seq 5; printf end; exec sleep 1000", { tag: "tail", bytes: 13 });
  expect(await logs("--tail", "2", "tail")).toEqual({ code: 0, stdout: "5\nend", stderr: "" });
  expect((await logs("-n", "all", "tail")).stdout).toBe("1\n2\n3\n4\n5\nend");
  expect((await logs("-n0", "tail")).stdout).toBe("");
});

test("--tail of an ended process, and with -f the output that follows the last lines", async () => {
  await leave(agent.url, "seq 5", { tag: "ended", bytes: 10 });
  await untilProcess(agent.url, "ended", { exit: expect.anything() });
  expect((await logs("--tail", "1", "ended")).stdout).toBe("5\n");

  await leave(agent.url, "seq 3; read line; echo $line", { tag: "follow", bytes: 6 });
  const following = holdfast(agent.url, ["logs", "-f", "--tail", "1", "follow"]);
  await following.waitFor("stdout", /^3\n$/);
  const input = holdfast(agent.url, ["attach", "follow"], { stdin: "pipe" });
  input.child.stdin?.end("typed\n");
  await input.exited();
  expect(await finished(following)).toEqual({ code: 0, stdout: "3\ntyped\n", stderr: "" });
});

test("--timestamps says when the agent read each line, and --since leaves out what it read before", async () => {
  const beforeMs = Date.now();
  await leave(agent.url, "echo early; read line; echo late; exec sleep 1000", { tag: "times", bytes: 6 });
  const betweenMs = Date.now() + 1;
  await expect.poll(() => Date.now()).toBeGreaterThan(betweenMs);
  const input = holdfast(agent.url, ["attach", "--from", "6", "times"], { stdin: "pipe" });
  input.child.stdin?.write("go\n");
  await input.waitFor("stdout", /late/);
  const { stdout } = await logs("--timestamps", "times");
  const [, early = "", late = ""] = /^(\S+) early\n(\S+) late\n$/.exec(stdout) ?? [];
  expect(Date.parse(early)).toBeGreaterThanOrEqual(beforeMs);
  expect(Date.parse(early)).toBeLessThan(betweenMs);
  expect(Date.parse(late)).toBeGreaterThanOrEqual(betweenMs);
  expect((await logs("--since", new Date(betweenMs).toISOString(), "times")).stdout).toBe("late\n");
  expect((await logs("--since", "1h", "times")).stdout).toBe("early\nlate\n");
  const events = (await logs("--json", "-t", "times")).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const times = events.filter(({ event }) => event === "data").flatMap(({ times }) => times);
  expect(times).toEqual([
    { offset: 0, time: early, within_ms: 1 },
    { offset: 6, time: late, within_ms: 1 },
  ]);
});
