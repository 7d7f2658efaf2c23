// The command line over a network that breaks, and with an agent that stops: it reports the loss, reconnects if it can,
// and explains why if it cannot.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { startAgent } from "../../support/agent/agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { finished, holdfast, holdfastOnTerminal, untilProcess } from "../holdfast.ts";

const agent = agentForFile({ args: ["--replay", "4MiB"] });

test("a shell whose connection breaks reports it in one line and continues", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const terminal = holdfastOnTerminal(
    proxy.url,
    ["run", "--pty", "bash", "-c", 'read x; read y; echo "$x and $y"'],
    {
      env: { NO_COLOR: "1" },
    },
  );
  await terminal.waitFor(/detaches\r\n$/);
  terminal.type("one\r");
  await terminal.waitFor(/one\r\n$/);
  proxy.cut("rst");
  await terminal.waitFor(/\r\nholdfast: the connection is lost \(connection reset\): reconnecting\r\n/);
  await terminal.waitFor(/\r\nholdfast: reconnected\r\n$/);
  terminal.type("two\r");
  expect(await terminal.exited()).toBe(0);
  expect(terminal.shown()).toMatch(/\r\ntwo\r\none and two\r\n$/);
  expect(terminal.shown().match(/holdfast: /g)).toHaveLength(3);
});

test("input typed while the connection is lost arrives after the reconnect", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const terminal = holdfastOnTerminal(proxy.url, ["run", "--pty", "bash", "-c", 'read x; echo "got $x"']);
  await terminal.waitFor(/detaches/);
  proxy.refusing = true;
  proxy.cut("rst");
  await terminal.waitFor(/is lost/);
  terminal.type("typed meanwhile\r");
  proxy.refusing = false;
  expect(await terminal.exited()).toBe(0);
  expect(terminal.shown()).toMatch(/got typed meanwhile\r\n$/);
});

test("over a connection that breaks again and again, both streams arrive complete and each loss is reported", async () => {
  const script = `awk 'BEGIN { for (i = 0; i < 60000; i++) { print "out", i; print "err", i > "/dev/stderr" } }'`;
  const proxy = await startCuttingProxy({
    port: agent.port,
    kinds: ["rst", "fin"],
    afterBytes: { min: 50_000, max: 300_000 },
  });
  const { code, stdout, stderr } = await finished(holdfast(proxy.url, ["run", "bash", "-c", script]));
  // The notices are lines of their own, also in the middle of a line of output.
  const said = stderr.match(/^holdfast: .*\n/gm) ?? [];
  expect(code).toBe(0);
  expect(stdout === direct(`${script} 2>/dev/null`)).toBe(true);
  const written = stderr.replace(/^holdfast: .*\n/gm, "");
  expect(inOneLine(written) === inOneLine(direct(`${script} 2>&1 >/dev/null`))).toBe(true);
  expect(said.filter((line) => line.startsWith("holdfast: the connection is lost (")).length).toBeGreaterThan(
    2,
  );
  expect(said.filter((line) => line === "holdfast: reconnected\n")).toHaveLength(said.length / 2);
});

test("over a connection that breaks again and again, the output of a terminal arrives complete", async () => {
  const script = `awk 'BEGIN { for (i = 0; i < 100000; i++) print "line", i }'`;
  const proxy = await startCuttingProxy({
    port: agent.port,
    kinds: ["rst", "fin"],
    afterBytes: { min: 50_000, max: 300_000 },
  });
  const { code, stdout } = await finished(
    holdfast(proxy.url, ["run", "--pty", "bash", "-c", `stty -opost; ${script}`]),
  );
  expect(code).toBe(0);
  expect(stdout === direct(script)).toBe(true);
  expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(2);
});

test("with --json the loss and the return are events, and stderr stays silent", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const command = holdfast(proxy.url, ["run", "-i", "--json", "bash", "-c", "echo ready; read x; exit 3"], {
    stdin: "pipe",
  });
  await command.waitFor("stdout", /"text":"ready/);
  proxy.cut("rst");
  await command.waitFor("stdout", /"reconnected"/);
  command.child.stdin?.end();
  const { code, stdout, stderr } = await finished(command);
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect({ code, stderr }).toEqual({ code: 3, stderr: "" });
  expect(events.slice(2)).toEqual([
    { event: "reconnecting", reason: "connection reset" },
    { event: "reconnected", offset: 6 },
    expect.objectContaining({ event: "end", exit_code: 3 }),
  ]);
});

test("Ctrl-C while the connection is lost ends this command, and the process continues", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const command = holdfast(proxy.url, ["run", "--tag", "alone", "bash", "-c", "echo ready; exec sleep 1000"]);
  await command.waitFor("stdout", /ready/);
  proxy.refusing = true;
  proxy.cut("rst");
  await command.waitFor("stderr", /is lost/);
  command.kill("SIGINT");
  const { code, stderr } = await finished(command);
  expect(code).toBe(130);
  expect(stderr).toMatch(
    /\nholdfast: left; the agent cannot be reached, and process \d+ ran when it last could: holdfast attach \d+ --from 6\n$/,
  );
  expect((await untilProcess(agent.url, "alone", { subscribers: 0 })).exit).toBeUndefined();
});

test("--give-up-after ends the waiting for an agent that does not return", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const command = holdfast(proxy.url, [
    "run",
    "--give-up-after",
    "300ms",
    "bash",
    "-c",
    "echo ready; exec sleep 1000",
  ]);
  await command.waitFor("stdout", /ready/);
  await proxy.close();
  const { code, stderr } = await finished(command);
  expect(code).toBe(125);
  expect(stderr).toMatch(
    /^holdfast: the connection is lost \(.*\): reconnecting\n(holdfast: the agent has ended: nothing listens there; .*\n)?holdfast: the agent at http:.* has ended: .*\n$/,
  );
});

test("an agent that cannot be reached at first is retried, which is not reported as a lost connection", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  proxy.refusing = true;
  const command = holdfast(proxy.url, ["run", "echo", "done"]);
  await command.waitFor("stderr", /^holdfast: the agent cannot be reached \(connection reset\): retrying\n$/);
  proxy.refusing = false;
  const { code, stdout, stderr } = await finished(command);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "done\n" });
  expect(stderr).toMatch(/: retrying\nholdfast: connected\n$/);
});

test("--give-up-after also limits the first connection", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  proxy.refusing = true;
  const command = holdfast(proxy.url, ["run", "--give-up-after", "300ms", "true"]);
  const { code, stderr } = await finished(command);
  expect(code).toBe(125);
  expect(stderr).toMatch(/holdfast: the connection to the agent failed: .*\n$/);
});

test("output that the agent could not hold is reported, and the exit code is that of the program", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const command = holdfast(
    proxy.url,
    [
      "run",
      "--tag",
      "ring",
      "--while-detached",
      "ring",
      "bash",
      "-c",
      "echo ready; read x; seq 1000000; exit 6",
    ],
    { stdin: "pipe" },
  );
  await command.waitFor("stdout", /ready/);
  proxy.refusing = true;
  proxy.cut("rst");
  await command.waitFor("stderr", /is lost/);
  const fed = holdfast(agent.url, ["attach", "ring"], { stdin: "pipe" });
  fed.child.stdin?.write("go\n");
  await fed.waitFor("stdout", /1\n/);
  fed.kill("SIGHUP");
  await untilProcess(agent.url, "ring", { exit: expect.objectContaining({ exitCode: 6 }) });
  proxy.refusing = false;
  const { code, stdout, stderr } = await finished(command);
  expect(code).toBe(6);
  expect(stderr).toMatch(/\nholdfast: \d+ bytes of output are lost: the agent no longer holds them\n$/);
  // The output may continue in the middle of a number.
  expect(stdout).toMatch(/^ready\n[\d\n]*\n1000000\n$/);
});

test("a restarted agent is named as the likely reason that the process is gone, and the terminal is restored", async () => {
  const first = await startAgent();
  const terminal = holdfastOnTerminal(first.url, ["run", "--pty", "cat"], { env: { NO_COLOR: "1" } });
  await terminal.waitFor(/detaches/);
  first.kill("SIGKILL");
  await first.exited();
  await terminal.waitFor(/is lost/);
  await startAgent({ args: ["--port", String(first.port)] });
  expect(await terminal.exited()).toBe(125);
  expect(terminal.shown()).toMatch(
    /\nholdfast: .*process.*: it has ended and is no longer retained, or the agent was restarted\r\n$/,
  );
});

test("an agent that stops says why, ends its processes, and the exit status reports it", async () => {
  const stopped = await startAgent();
  const command = holdfast(stopped.url, ["run", "bash", "-c", "echo ready; exec sleep 1000"]);
  await command.waitFor("stdout", /ready/);
  await stopped.stop();
  expect(await finished(command)).toEqual({
    code: 143,
    stdout: "ready\n",
    stderr: "holdfast: the agent ends (SIGTERM) and ends the process; in 0.5 s it is killed\n",
  });
});

function inOneLine(text: string): string {
  return text.replaceAll("\n", "");
}

function direct(script: string): string {
  return execFileSync("bash", ["-c", script], { encoding: "utf8", maxBuffer: 2 ** 30 });
}
