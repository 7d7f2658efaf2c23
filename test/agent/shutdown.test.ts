// Stopping by signal, as a supervisor, a terminal or an impatient person does it; and crashes.
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { startProcess, startUnread } from "../cli/started-process.ts";
import { startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { receive } from "../support/clients/received-events.ts";

const stubborn = 'trap "" TERM; echo ready; exec sleep 1000';
const obedient = "echo ready; exec sleep 1000";

test.each(["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] as const)(
  "%s stops it with exit code 0",
  async (signal) => {
    const agent = await startAgent();
    agent.kill(signal);
    expect(await agent.exited()).toEqual({ code: 0, signal: null });
  },
);

test("a process gets SIGTERM, its client the end event, and the agent exits 0 without waiting for the grace period", async () => {
  const agent = await startAgent({ args: ["--shutdown-grace", "1h"] });
  const process = await startProcess(agent.url, obedient);
  agent.kill("SIGTERM");
  expect(await process.end()).toMatchObject({ exited: false, exitCode: -1, status: "signal: terminated" });
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  await process.gone();
});

test("a process that ignores SIGTERM is killed after the grace period, its client gets the end event, and the agent exits 0", async () => {
  const agent = await startAgent({ args: ["--shutdown-grace", "300ms"] });
  const process = await startProcess(agent.url, stubborn);
  agent.kill("SIGTERM");
  expect(await process.end()).toMatchObject({ exited: false, exitCode: -1, status: "signal: killed" });
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  await process.gone();
});

test("while it stops, a new Start is refused and a running stream continues", async () => {
  const agent = await startAgent({ args: ["--shutdown-grace", "1h"] });
  const process = await startProcess(
    agent.url,
    'trap "echo told" TERM; echo ready; until read -u 9 line; do (( $? > 128 )) || exit; done; echo "got $line"',
  );
  agent.kill("SIGTERM");
  await process.output(/told/);
  const refused = await startProcess(agent.url, obedient).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ConnectError);
  expect(refused).toMatchObject({ code: Code.Unavailable });
  process.tell("line\n");
  await process.output(/got line/);
  expect(await process.end()).toMatchObject({ exited: true, exitCode: 0 });
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});

test.each(["leaves", "stops reading"] as const)(
  "a process blocked because its client %s does not hold up the stop",
  async (what) => {
    const agent = await startAgent();
    const stream = await startUnread(agent.url, "exec yes");
    if (what === "leaves") stream.destroy();
    agent.kill("SIGTERM");
    expect(await agent.exited()).toEqual({ code: 0, signal: null });
  },
);

test("the same Ctrl-C received twice, as under npm start, is one request", async () => {
  const agent = await startAgent({ args: ["--shutdown-grace", "300ms"] });
  await startProcess(agent.url, stubborn);
  agent.kill("SIGINT");
  agent.kill("SIGINT");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});

test("a second Ctrl-C kills everything at once, with exit code 130", async () => {
  const agent = await startAgent({ args: ["--shutdown-grace", "1h"] });
  const process = await startProcess(agent.url, stubborn);
  // As a person does: again and again until it has ended.
  const impatient = setInterval(() => agent.kill("SIGINT"), 50);
  const exit = await agent.exited().finally(() => clearInterval(impatient));
  expect(exit).toEqual({ code: 130, signal: null });
  await process.gone();
});

test("a crash that cannot be survived is logged with its cause, kills the processes and exits 70", async () => {
  const bug =
    'process.on("SIGPWR", () => Promise.reject(new Error("boom", { cause: new Error("the cause") })))';
  const agent = await startAgent({ nodeArgs: ["--import", `data:text/javascript,${bug}`] });
  const process = await startProcess(agent.url, stubborn);
  // The first one executes the agent again (test/handover/crash.test.ts).
  agent.kill("SIGPWR");
  await agent.waitFor("stderr", /"msg":"upgraded"/);
  agent.kill("SIGPWR");
  expect(await agent.exited()).toEqual({ code: 70, signal: null });
  expect(agent.stderr()).toMatch(/"level":"error".*boom.*the cause/);
  await process.gone();
});

test("other signals, also those that Node handles, neither end the agent, open its debugger nor reach a command", async () => {
  const agent = await startAgent();
  const received = receive(
    plainClient(agent.url).start({
      process: {
        cmd: "bash",
        args: [
          "-c",
          'for s in USR1 USR2 ALRM WINCH HUP PWR; do trap "echo got $s" $s; done; echo ready; read -r end',
        ],
      },
    }),
  );
  await received.until(() => received.text("stdout") === "ready\n");
  for (const signal of ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH", "SIGVTALRM", "SIGIO", "SIGPWR"] as const)
    agent.kill(signal);
  // Handled before the next request.
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  expect(agent.stderr()).not.toContain("Debugger");
  const pid = await received.started();
  await plainClient(agent.url).sendInput({
    process: { selector: { case: "pid", value: pid } },
    input: { input: { case: "stdin", value: Buffer.from("end\n") } },
  });
  await received.ended();
  expect(received.text("stdout")).toBe("ready\n");
});
