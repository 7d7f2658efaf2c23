// The commands that stay connected, when their agent ends: each says so, says why if it was told, and what to do next, and
// ends with the exit code of docs/reference/cli.md.
import { expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { finished, holdfast, holdfastOnTerminal, leave, untilProcess } from "./holdfast.ts";

const LEAVE_SCREEN = "\u001b[?25h\u001b[?1049l";

/** An agent that ends by SIGTERM tells its clients; the end of the process comes with it. */
const told = /^holdfast: the agent ends \(SIGTERM\) and ends the process; in 0\.5 s it is killed\n$/;
/** The time may be over before the first try finds that the agent has ended. */
const found =
  /^holdfast: the connection is lost \([^)]+\): reconnecting\n(holdfast: the agent has ended: nothing listens there; .*\n)?holdfast: the agent at http:\S+ has ended: nothing listens there; when it is back, repeat this command\n$/;
/** Of a command that polls. The agent can also end while it answers. */
const polled =
  /^holdfast: the agent at http:\S+ (has ended: nothing listens there|no longer answers: connection \w+); when it is back, repeat this command\n$/;

async function end(agent: RunningAgent, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  agent.kill(signal);
  await agent.exited();
}

test.each([
  ["logs", ["-f"], "SIGTERM", 0, told],
  ["logs", ["-f", "--give-up-after", "500ms"], "SIGKILL", 1, found],
  ["wait", [], "SIGTERM", 143, told],
  ["wait", ["--give-up-after", "500ms"], "SIGKILL", 125, found],
  ["attach", [], "SIGTERM", 143, told],
  ["attach", ["--give-up-after", "500ms"], "SIGKILL", 125, found],
] as const)("%s %j when the agent ends by %s exits with %i", async (name, flags, signal, code, said) => {
  const agent = await startAgent();
  await leave(agent.url, "exec sleep 1000", { tag: "left" });
  const command = holdfast(agent.url, [name, ...flags, "left"]);
  await untilProcess(agent.url, "left", { subscribers: 1 });
  await end(agent, signal);
  const { stderr, ...rest } = await finished(command);
  expect(rest).toEqual({ code, stdout: name === "wait" && code === 143 ? "143\n" : "" });
  expect(stderr).toMatch(said);
});

test.each(["SIGTERM", "SIGKILL"] as const)("top on pipes when the agent ends by %s", async (signal) => {
  const agent = await startAgent();
  const command = holdfast(agent.url, ["top", "--json", "-n", "100000", "-d", "10ms"]);
  await command.waitFor("stdout", /\[\]\n/);
  await end(agent, signal);
  const { code, stderr } = await finished(command);
  expect(code).toBe(1);
  expect(stderr).toMatch(polled);
});

test.each(["SIGTERM", "SIGKILL"] as const)("top on a terminal when the agent ends by %s", async (signal) => {
  const agent = await startAgent();
  await leave(agent.url, "exec sleep 1000", { tag: "left" });
  const terminal = holdfastOnTerminal(agent.url, ["top", "-d", "50ms"], { env: { NO_COLOR: "1" } });
  await terminal.waitFor(/ left /);
  await end(agent, signal);
  expect(await terminal.exited()).toBe(1);
  const [, after = ""] = terminal.shown().split(LEAVE_SCREEN);
  expect(after.replaceAll("\r\n", "\n")).toMatch(polled);
});

test.each(["logs", "wait", "attach"])("%s continues to try, and Ctrl-C ends it", async (name) => {
  const agent = await startAgent();
  await leave(agent.url, "exec sleep 1000", { tag: "left" });
  const command = holdfast(agent.url, [name, ...(name === "logs" ? ["-f"] : []), "left"]);
  await untilProcess(agent.url, "left", { subscribers: 1 });
  await end(agent, "SIGKILL");
  await command.waitFor("stderr", /the agent has ended: nothing listens there; trying until/);
  command.kill("SIGINT");
  const { code, signal } = await command.exited();
  expect(signal ?? code).toBe(name === "attach" ? 130 : "SIGINT");
  expect(command.stderr().match(/the agent has ended/g)).toHaveLength(1);
});

test("with --json, the end of the agent is an event", async () => {
  const agent = await startAgent();
  await leave(agent.url, "exec sleep 1000", { tag: "left" });
  const command = holdfast(agent.url, ["logs", "--json", "-f", "left"]);
  await command.waitFor("stdout", /"start"/);
  await end(agent, "SIGKILL");
  await command.waitFor(
    "stdout",
    /\{"event":"trouble","message":"the agent has ended: nothing listens there"\}\n/,
  );
});
