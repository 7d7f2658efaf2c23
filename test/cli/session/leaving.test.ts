// A way out of every state: attached to pipes, attached to a terminal, connecting, and while the
// connection is lost. The last line about the process is true.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { startAgent } from "../../support/agent/agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import {
  finished,
  holdfast,
  holdfastOnDumbTerminal,
  holdfastOnTerminal,
  leave,
  untilProcess,
} from "../holdfast.ts";

const agent = agentForFile();
const plain = { env: { NO_COLOR: "1" } };
const CTRL_C = "\u0003";
const DETACH = "\u0010\u0011";
const IGNORES_INT = 'n=0; trap "n=\\$((n+1)); echo int \\$n" INT; echo ready; while :; do sleep 0.05; done';

async function ignoring(tag: string) {
  return leave(agent.url, IGNORES_INT, { tag, bytes: 6 });
}

test("on pipes, the first two Ctrl-C go to the process, the second says so, and the third leaves it running", async () => {
  const { pid } = await ignoring("stubborn");
  const terminal = holdfastOnTerminal(agent.url, ["attach", "--no-stdin", "--from", "0", "stubborn"], plain);
  await terminal.waitFor(
    new RegExp(
      `holdfast: attached to process ${pid}; Ctrl-C is sent to it, the third one leaves it running\r\n`,
    ),
  );
  await terminal.waitFor(/ready/);
  terminal.type(CTRL_C);
  await terminal.waitFor(/int 1/);
  terminal.type(CTRL_C);
  await terminal.waitFor(/holdfast: SIGINT was sent again; the next Ctrl-C leaves the process running/);
  await terminal.waitFor(/int 2/);
  terminal.type(CTRL_C);
  expect(await terminal.exited()).toBe(130);
  expect(terminal.shown()).toMatch(
    new RegExp(`holdfast: detached; process ${pid} continues: holdfast attach ${pid} `),
  );
  expect((await untilProcess(agent.url, "stubborn", { subscribers: 0 })).exit).toBeUndefined();
  const { stdout } = await finished(holdfast(agent.url, ["logs", "stubborn"]));
  expect(stdout).toBe("ready\nint 1\nint 2\n");
});

test("with --no-signals the first Ctrl-C leaves and the process gets no signal", async () => {
  const { pid } = await ignoring("spared");
  const terminal = holdfastOnTerminal(agent.url, ["attach", "--no-stdin", "--no-signals", "spared"], plain);
  await terminal.waitFor(new RegExp(`holdfast: attached to process ${pid}; Ctrl-C leaves it running\r\n`));
  terminal.type(CTRL_C);
  expect(await terminal.exited()).toBe(130);
  expect(terminal.shown()).toMatch(/holdfast: detached; process \d+ continues/);
  const { stdout } = await finished(holdfast(agent.url, ["logs", "spared"]));
  expect(stdout).toBe("ready\n");
});

test.each(["SIGTERM", "SIGQUIT"] as const)(
  "with --no-signals %s leaves the process alone",
  async (signal) => {
    await leave(agent.url, "echo ready; exec sleep 1000", { tag: signal, bytes: 6 });
    const command = holdfast(agent.url, ["attach", "--no-signals", "--from", "0", signal]);
    await command.waitFor("stdout", /ready/);
    command.kill("SIGUSR1");
    command.kill(signal);
    expect((await finished(command)).stderr).toMatch(/^holdfast: detached; process \d+ continues/);
    expect((await untilProcess(agent.url, signal, { subscribers: 0 })).exit).toBeUndefined();
  },
);

async function lostOnTerminal(tag: string, script = 'read -r x; echo "got $x"; read -r x; echo "got $x"') {
  const proxy = await startCuttingProxy({ port: agent.port });
  const terminal = holdfastOnTerminal(proxy.url, ["run", "-t", "--tag", tag, "bash", "-c", script], plain);
  await terminal.waitFor(/detaches\r\n/);
  proxy.refusing = true;
  proxy.cut("rst");
  await terminal.waitFor(
    /no connection for \d+ s; (next try in \d+ s|trying); Enter tries now, q or Ctrl-C leaves/,
  );
  return { proxy, terminal };
}

test.each([
  ["q", "q"],
  ["Ctrl-C", CTRL_C],
  ["the detach keys", DETACH],
])("while the connection of a terminal is lost, %s leaves at once", async (name, keys) => {
  const { terminal } = await lostOnTerminal(`left by ${name}`);
  terminal.type(keys);
  expect(await terminal.exited()).toBe(0);
  expect(terminal.shown()).toMatch(
    /holdfast: left; the agent cannot be reached, and process \d+ ran when it last could: holdfast attach \d+ --from 0\r\n$/,
  );
  expect((await untilProcess(agent.url, `left by ${name}`, { subscribers: 0 })).exit).toBeUndefined();
});

test("while the connection of a terminal is lost, typed text is kept for the process, also with a q in it", async () => {
  const { proxy, terminal } = await lostOnTerminal("typed");
  terminal.type("quit");
  terminal.type("q\r");
  proxy.refusing = false;
  await terminal.waitFor(/got quitq\r\n/);
  // The next loss begins anew: nothing is typed in it yet.
  proxy.refusing = true;
  proxy.cut("rst");
  await terminal.waitFor(/no connection for \d+ s/, terminal.shown().length);
  terminal.type("q");
  expect(await terminal.exited()).toBe(0);
});

test("Enter tries to reconnect at once, is not sent to the process, and the line is removed", async () => {
  const { proxy, terminal } = await lostOnTerminal("retried");
  // By now the waits between two tries are seconds long.
  await terminal.waitFor(/no connection for [4-9] s; next try in [2-9] s/);
  proxy.refusing = false;
  const from = terminal.shown().length;
  terminal.type("\r");
  await terminal.waitFor(/\r.\[K.\[A\r\nholdfast: reconnected\r\n$/, from);
  terminal.type("after\r");
  await terminal.waitFor(/got after\r\n/, from);
});

test("without a raw terminal the line names Ctrl-C, which leaves", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const terminal = holdfastOnTerminal(
    proxy.url,
    ["run", "--tag", "piped", "sh", "-c", "echo ready; sleep 1000"],
    plain,
  );
  await terminal.waitFor(/ready/);
  proxy.refusing = true;
  proxy.cut("rst");
  await terminal.waitFor(/no connection for \d+ s; .*; Ctrl-C leaves/);
  terminal.type(CTRL_C);
  expect(await terminal.exited()).toBe(130);
  expect((await untilProcess(agent.url, "piped", { subscribers: 0 })).exit).toBeUndefined();
});

test("on a dumb terminal the line about the loss is written once, without sequences", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const terminal = holdfastOnDumbTerminal(proxy.url, ["run", "sh", "-c", "echo ready; sleep 1000"]);
  await terminal.waitFor(/ready/);
  proxy.refusing = true;
  proxy.cut("rst");
  await terminal.waitFor(/no connection for \d+ s; .*; Ctrl-C leaves\r\n/);
  terminal.type(CTRL_C);
  expect(await terminal.exited()).toBe(130);
  expect(terminal.shown().match(/no connection/g)).toHaveLength(1);
  expect(terminal.shown()).not.toContain("\u001b");
});

test("while the first connection is tried again, Ctrl-C leaves at once", async () => {
  const closing = createServer((socket) => socket.on("error", () => undefined).end());
  onTestFinished(() => void closing.close());
  await new Promise<void>((resolve) => closing.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(closing.address() as AddressInfo).port}`;
  const terminal = holdfastOnTerminal(url, ["run", "true"], plain);
  await terminal.waitFor(/the agent cannot be reached .*: retrying/);
  await terminal.waitFor(/no connection for \d+ s; .*; Ctrl-C leaves/);
  terminal.type(CTRL_C);
  expect(await terminal.exited()).toBe(130);
  expect(terminal.shown()).toMatch(/holdfast: left before the agent answered\r\n$/);
});

test("attach to an agent that does not answer is left by the first signal", async () => {
  const silent = createServer();
  onTestFinished(() => void silent.close());
  const connected = once(silent, "connection");
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const command = holdfast(url, ["attach", "any"]);
  await connected;
  command.kill("SIGINT");
  expect((await command.exited()).code ?? 130).toBe(130);
});

test("a session that is left while the agent stops says that the process ends", async () => {
  const stopping = await startAgent({ args: ["--shutdown-grace", "30s"] });
  const command = holdfast(stopping.url, ["run", "bash", "-c", 'trap "" TERM; echo ready; exec sleep 1000']);
  await command.waitFor("stdout", /ready/);
  stopping.kill("SIGTERM");
  await command.waitFor("stderr", /the agent ends \(SIGTERM\) and ends the process; in 30 s it is killed/);
  command.kill("SIGHUP");
  expect((await finished(command)).stderr).toMatch(/\nholdfast: left; process \d+ ends with its agent\n$/);
  stopping.kill("SIGKILL");
});

test("a session that is left after the agent died does not say that the process continues", async () => {
  const dying = await startAgent();
  const command = holdfast(dying.url, ["run", "bash", "-c", "echo ready; exec sleep 1000"]);
  await command.waitFor("stdout", /ready/);
  dying.kill("SIGKILL");
  await command.waitFor("stderr", /is lost/);
  command.kill("SIGINT");
  const { code, stderr } = await finished(command);
  expect(code).toBe(130);
  expect(stderr).not.toMatch(/continues/);
  expect(stderr).toMatch(/left; the agent cannot be reached, and process \d+ ran when it last could/);
});

test("--quiet silences notices", async () => {
  const command = holdfast(agent.url, ["run", "--quiet", "bash", "-c", "echo ready; exec sleep 1000"]);
  await command.waitFor("stdout", /ready/);
  command.kill("SIGHUP");
  expect(await finished(command)).toEqual({ code: 129, stdout: "ready\n", stderr: "" });
});
