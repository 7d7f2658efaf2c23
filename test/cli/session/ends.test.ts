// Every command that attaches ends by each signal that ends programs, at every stage: before the agent answers, attached,
// while the agent does not answer, while the connection is lost, and while nobody reads its output.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { constants } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { type RunningCommand, startAgent } from "../../support/agent/agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { sideBySide } from "../../support/side-by-side.ts";
import { finished, holdfast, holdfastOnTerminal, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();
const signals = ["SIGTERM", "SIGHUP", "SIGINT"] as const;
type Ending = (typeof signals)[number];

/** On pipes, with stdin from /dev/null. Each attaches to a process that ends by itself never. */
const commands: readonly (readonly [name: string, args: (tag: string) => string[]])[] = [
  ["run", (tag) => ["run", "--tag", tag, "sh", "-c", "echo ready; exec sleep 1000"]],
  ["exec -i", (tag) => ["exec", "-i", "--tag", tag, "sh", "-c", "echo ready; exec sleep 1000"]],
  ["run -t", (tag) => ["run", "-t", "--tag", tag, "sh", "-c", "echo ready; exec sleep 1000"]],
  [
    "run -it, deaf",
    (tag) => ["run", "-it", "--tag", tag, "sh", "-c", 'trap "" TERM; echo ready; exec sleep 1000'],
  ],
  ["run --json", (tag) => ["run", "--json", "--tag", tag, "sh", "-c", "echo ready; exec sleep 1000"]],
  ["shell", (tag) => ["shell", tag, "--shell", "sh", "-e", "HOME=/nonexistent", "--no-signals"]],
  ["attach", (tag) => ["attach", "--from", "0", tag]],
  ["attach --no-signals", (tag) => ["attach", "--no-signals", "--from", "0", tag]],
  ["logs -f", (tag) => ["logs", "-f", tag]],
  ["wait", (tag) => ["wait", tag]],
];

const cases = commands.flatMap(([name, args]) =>
  signals.map((signal) => [`${name}: ${signal}`, { args, signal }] as const),
);

/** Few commands at a time: each of them loads Node. */
const AT_A_TIME = 8;

async function inGroups<T>(
  all: readonly (readonly [string, T])[],
  work: (value: T, name: string) => Promise<void>,
) {
  for (let at = 0; at < all.length; at += AT_A_TIME) await sideBySide(all.slice(at, at + AT_A_TIME), work);
}

/** By itself with the code of the signal, or by the kernel. A process that got the signal ends with the same code. */
async function expectEnd(command: RunningCommand, signal: Ending): Promise<void> {
  const { code, signal: killer } = await command.exited();
  expect(killer ?? code).toBeOneOf([signal, 128 + constants.signals[signal]]);
}

async function silentServer(): Promise<{ readonly url: string; readonly connected: () => Promise<unknown> }> {
  const silent = createServer((socket) => socket.on("error", () => undefined));
  onTestFinished(() => void silent.close());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  return { url, connected: () => once(silent, "connection") };
}

test("while the agent has not answered yet, each signal ends each command", {
  timeout: 120_000,
}, async () => {
  await inGroups(cases, async ({ args, signal }) => {
    const { url, connected } = await silentServer();
    const connection = connected();
    const command = holdfast(url, args("any"), { deadlineMs: 60_000 });
    await connection;
    command.kill(signal);
    await expectEnd(command, signal);
  });
});

test("attached, each signal ends each command", { timeout: 120_000 }, async () => {
  await inGroups(cases, async ({ args, signal }, name) => {
    const command = await attached(agent.url, args, name);
    command.kill(signal);
    await expectEnd(command, signal);
  });
});

test("while the connection is lost, each signal ends each command", { timeout: 120_000 }, async () => {
  await inGroups(cases, async ({ args, signal }, name) => {
    const proxy = await startCuttingProxy({ port: agent.port });
    const command = await attached(proxy.url, args, `lost ${name}`);
    proxy.refusing = true;
    proxy.cut("rst");
    await command.waitFor(args("").includes("--json") ? "stdout" : "stderr", /is lost|reconnecting/);
    command.kill(signal);
    await expectEnd(command, signal);
  });
});

test("while the agent is frozen, each signal ends each command", { timeout: 120_000 }, async () => {
  const frozen = await startAgent();
  const running: (readonly [string, { command: RunningCommand; signal: Ending }])[] = [];
  await inGroups(cases, async ({ args, signal }, name) => {
    running.push([name, { command: await attached(frozen.url, args, name), signal }]);
  });
  frozen.kill("SIGSTOP");
  onTestFinished(() => frozen.kill("SIGCONT"));
  await inGroups(running, async ({ command, signal }) => {
    command.kill(signal);
    await expectEnd(command, signal);
  });
});

test("while nobody reads the output, SIGTERM ends each command that prints output", {
  timeout: 60_000,
}, async () => {
  const flood = "seq 1000000";
  await leave(agent.url, flood, { tag: "flood", output: { detached: "block" }, bytes: expect.anything() });
  const floods: (readonly [string, string[]])[] = [
    ["run", ["run", "--tag", "unread run", "sh", "-c", `${flood}; exec sleep 1000`]],
    ["run -t", ["run", "-t", "--tag", "unread run -t", "sh", "-c", `${flood}; exec sleep 1000`]],
    ["attach", ["attach", "--from", "0", "flood"]],
    ["logs -f", ["logs", "-f", "flood"]],
  ];
  await sideBySide(floods, async (args, name) => {
    const command = holdfast(agent.url, args, { deadlineMs: 30_000 });
    await command.waitFor("stdout", /1\r?\n/);
    command.child.stdout?.pause();
    if (name.startsWith("run")) await untilProcess(agent.url, `unread ${name}`, { reading: false });
    command.kill("SIGTERM");
    // Its pipe is read again only when it has ended.
    const [code, signal] = await once(command.child, "exit");
    command.child.stdout?.resume();
    expect(signal ?? code).toBeOneOf(["SIGTERM", 143]);
  });
});

test("a shell that ignores SIGTERM is left after a while, and the notice says so", async () => {
  const command = holdfastOnTerminal(agent.url, ["run", "-it", "--tag", "deaf", "bash", "--norc"], {
    env: { NO_COLOR: "1" },
  });
  await command.waitFor(/# $|\$ $/);
  command.kill("SIGTERM");
  expect(await command.exited()).toBe(143);
  expect(command.shown()).toMatch(/holdfast: detached; process \d+ continues: holdfast attach \d+ /);
  expect((await untilProcess(agent.url, "deaf", { subscribers: 0 })).exit).toBeUndefined();
});

test("a process on pipes has the time that it takes after SIGTERM, and the third SIGTERM leaves it", async () => {
  const script = 'trap "echo cleaning" TERM; echo ready; while :; do sleep 0.05; done';
  const command = holdfast(agent.url, ["run", "--tag", "slow to end", "bash", "-c", script]);
  await command.waitFor("stdout", /ready/);
  command.kill("SIGTERM");
  await command.waitFor("stdout", /cleaning\n/);
  command.kill("SIGTERM");
  await command.waitFor("stderr", /SIGTERM was sent again; the next one leaves the process running/);
  command.kill("SIGTERM");
  const { code, stderr } = await finished(command);
  expect(code).toBe(143);
  expect(stderr).toMatch(/detached; process \d+ continues/);
});

test("an interactive shell without input ends, also if it drops what is typed before it is ready", async () => {
  const ends = Array.from({ length: 8 }, (_, index) => [`shell ${index}`, index] as const);
  await sideBySide(ends, async (index) => {
    // It drops its input once, as a program does that sets up its terminal late.
    const drop = "import termios; termios.tcflush(0, termios.TCIFLUSH)";
    const late = `sleep 0.3; python3 -c '${drop}'; exec bash --norc`;
    const args = index % 2 === 0 ? ["bash", "--norc"] : ["bash", "-c", late];
    const { code } = await finished(holdfast(agent.url, ["run", "-it", ...args], { deadlineMs: 30_000 }));
    expect(code).toBe(0);
  });
});

test("with stdin or stdout closed from the beginning, commands run as usual", async () => {
  const shells: (readonly [string, [script: string, code: number]])[] = [
    ["stdin", ['exec "$@" <&-', 3]],
    ["stdout", ['exec "$@" >&-', 3]],
    ["all three", ['exec "$@" <&- >&- 2>&-', 3]],
  ];
  await sideBySide(shells, async ([script, expected]) => {
    const prefix = ["sh", "-c", script, "sh"];
    const command = holdfast(agent.url, ["run", "-i", "sh", "-c", "cat; echo out; exit 3"], { prefix });
    expect((await finished(command)).code).toBe(expected);
  });
});

/** Runs the command until it is attached to a process with a tag of its own. */
async function attached(url: string, args: (tag: string) => string[], name: string): Promise<RunningCommand> {
  const tag = `${name} of ${url}`;
  const words = args(tag);
  const isStarted = words[0] === "run" || words[0] === "exec" || words[0] === "shell";
  // Through the proxy also: it is the same agent.
  if (!isStarted) await leave(url, "echo ready; exec sleep 1000", { tag, bytes: 6 });
  const command = holdfast(url, words, { deadlineMs: 60_000 });
  if (words[0] === "wait" || words[0] === "shell") await untilProcess(url, tag, { subscribers: 1 });
  else await command.waitFor("stdout", /ready/);
  return command;
}
