// An agent that can open 64 descriptors and needs about 20 of them itself. Processes and connections that
// need more are refused, those that run continue, and once descriptors are free the next command runs.

import { execFileSync } from "node:child_process";
import type { JsonValue } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killProcesses } from "../support/agent/kill-processes.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { openConnection, type RawConnection } from "../support/clients/raw-http.ts";
import { type Answer, callRpc } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { childrenOf, eventually, fdCount } from "../support/proc/proc.ts";

const LIMIT = 64;

test("the agent starts under `ulimit -n 64`, and runs a command", async () => {
  const agent = await startAgent({ prefix: ["sh", "-c", `ulimit -n ${LIMIT}; exec "$@"`, "sh"] });
  await expectCommandRuns(agent.port);
});

/** The limit is set after the start; the test above checks the start. */
async function startLimited(): Promise<RunningAgent> {
  const agent = await startAgent();
  execFileSync("prlimit", ["--pid", String(agent.pid), `--nofile=${LIMIT}:${LIMIT}`]);
  await expectCommandRuns(agent.port);
  return agent;
}

const PTY = { size: { cols: 80, rows: 24 } };
const cat = { process: { cmd: "cat" } };

test.each([
  ["on pipes", cat, "stdin", /cannot open a pipe: too many open files \(EMFILE\)/],
  ["on terminals", { ...cat, pty: PTY }, "pty", /too many open files \(EMFILE\)|out of ptys or descriptors/],
] as const)(
  "processes %s above the limit are resource_exhausted, and the others continue",
  async (_, message, kind, says) => {
    const agent = await startLimited();
    const before = fdCount(agent.pid);
    const refusal = await startUntilRefused(agent, message);
    expect(refusal).toMatchObject({ code: "resource_exhausted", message: expect.stringMatching(says) });

    const children = childrenOf(agent.pid);
    const settled = fdCount(agent.pid);
    expect(children.length).toBeGreaterThan(5);
    for (let i = 0; i < 20; i++)
      expect(await startAndLeave(agent.port, message)).toMatchObject({ code: "resource_exhausted" });
    expect(childrenOf(agent.pid)).toEqual(children);
    // The last connection can take one more turn to close.
    await eventually(
      "no descriptor is left of those refused",
      () => fdCount(agent.pid) <= settled,
      () => ({ now: fdCount(agent.pid), settled }),
    );
    for (const pid of children) {
      const input = { process: { pid }, input: { [kind]: "aGk=" } };
      expect(await ask(agent, "SendInput", input)).toMatchObject({ code: "ok" });
    }

    await killProcesses(agent.port);
    await expectCommandRuns(agent.port);
    await untilAsBefore(agent, before);
  },
);

test("connections above the limit are closed, and later ones are accepted once descriptors are free", async () => {
  const agent = await startLimited();
  const before = fdCount(agent.pid);
  for (let round = 0; round < 3; round++) {
    const connections: RawConnection[] = [];
    for (let i = 0; i < 2 * LIMIT; i++) connections.push(await openConnection(agent.port));
    const closed = () => connections.filter(({ socket }) => socket.closed).length;
    await eventually("those that do not fit are closed", () => closed() >= LIMIT, closed);
    for (const connection of connections) connection.cut();
    await untilAsBefore(agent, before);
    await expectCommandRuns(agent.port);
  }
});

test("the agent survives commands and connections that compete for the last descriptors", async () => {
  const agent = await startLimited();
  const before = fdCount(agent.pid);
  const asked = Array.from({ length: 300 }, async (_, index) => {
    const message =
      index % 3 === 0 ? { ...cat, pty: PTY } : { process: { cmd: "echo" }, stdin: index % 2 === 0 };
    // A connection that cannot be accepted is closed without an answer.
    const headers = index % 5 === 0 ? { authorization: `Basic ${btoa("nobody:")}` } : {};
    const answer = await startAndLeave(agent.port, message, headers).catch(() => undefined);
    return answer?.code ?? "closed";
  });
  const codes = new Set(await Promise.all(asked));
  for (const code of codes) expect(["ok", "resource_exhausted", "closed"]).toContain(code);
  await eventually(
    "there is a descriptor for the connection that kills them",
    () =>
      killProcesses(agent.port).then(
        () => true,
        () => false,
      ),
    () => fdCount(agent.pid),
  );
  await untilAsBefore(agent, before);
  await expectCommandRuns(agent.port);
});

async function startUntilRefused(
  agent: RunningAgent,
  message: JsonValue,
): Promise<Pick<Answer, "code" | "message">> {
  for (let i = 0; i < LIMIT; i++) {
    const answer = await startAndLeave(agent.port, message);
    if (answer.code !== "ok") return answer;
  }
  throw new Error(`${LIMIT} processes were started`);
}

function ask(agent: RunningAgent, rpc: string, message: object): Promise<Answer> {
  return callRpc(agent.port, "Connect JSON", { rpc, body: JSON.stringify(message) });
}

async function untilAsBefore({ pid }: RunningAgent, before: number): Promise<void> {
  const state = () => ({ fds: fdCount(pid), was: before, children: childrenOf(pid) });
  await eventually(
    "no descriptor and no child more than before",
    () => fdCount(pid) <= before && childrenOf(pid).length === 0,
    state,
  );
}
